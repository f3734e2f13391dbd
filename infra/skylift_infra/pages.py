"""Pages of the clouds' own consoles about what was made."""

from __future__ import annotations

from urllib.parse import quote

from skylift_infra.resources import Outputs


def page_of(outputs: Outputs) -> str:
    """The page about a resource with these outputs; empty where its cloud has none that an id leads to."""
    arn, id_ = str(outputs.get("arn", "")), str(outputs.get("id", ""))
    if arn.startswith("arn:aws:"):  # other partitions have consoles of their own
        return f"https://console.aws.amazon.com/go/view?arn={quote(arn, safe='')}"
    if id_.startswith("/subscriptions/"):
        return f"https://portal.azure.com/#resource{quote(id_)}"
    return ""
