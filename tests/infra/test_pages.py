"""Where a person is led in a cloud's own console."""

from __future__ import annotations

import pytest

from skylift_infra.pages import page_of


@pytest.mark.parametrize(
    ("outputs", "page"),
    [
        (
            {"arn": "arn:aws:iam::123456789012:role/runs"},
            "https://console.aws.amazon.com/go/view?arn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fruns",
        ),
        (
            {"id": "/subscriptions/s/resourceGroups/my group"},
            "https://portal.azure.com/#resource/subscriptions/s/resourceGroups/my%20group",
        ),
        ({"arn": "arn:aws-cn:iam::123456789012:role/runs"}, ""),
        ({"id": "sg-1"}, ""),
        ({}, ""),
    ],
)
def test_pages(outputs: dict[str, str], page: str) -> None:
    assert page_of(outputs) == page
