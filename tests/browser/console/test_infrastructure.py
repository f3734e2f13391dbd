"""What was changed in the cloud by hand is on the pool's page, until it is mended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.console.place import Place
from tests.clouds.aws_backends import REGION, Ministack
from tests.support.service import How, clean_environment, serving


def test_drift_shows_and_goes(page: Page, tmp_path: Path) -> None:
    with Ministack() as aws:
        signed_in = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": aws.url,
        }
        with serving(tmp_path, How.PLAIN, **signed_in) as service:
            place = Place(service)

            def skylift(*args: str) -> None:
                env = clean_environment() | signed_in | {"SKYLIFT_API_URL": service.url}
                command = [sys.executable, "-m", "skylift", "work-pool", *args, "--yes"]
                subprocess.run(command, env=env, cwd=tmp_path, check=True, capture_output=True, timeout=100)

            skylift("create", "aws", "--type", "ecs:push", "--provision-infra")
            page.goto(place.page("/pools/aws/infrastructure"))
            rows = page.get_by_role("table", name="Infrastructure").locator("tbody tr")
            group = rows.filter(has_text="security group")
            expect(group).to_contain_text("Not checked")
            look = page.get_by_role("button", name="Check now")
            look.click()
            expect(group).to_contain_text("In place")
            expect(rows.filter(has_text="Drifted")).to_have_count(0)

            ec2 = aws.client("ec2")
            groups = ec2.describe_security_groups()["SecurityGroups"]
            (found,) = [each for each in groups if each["GroupName"].startswith("skylift-")]
            ec2.authorize_security_group_ingress(
                GroupId=found["GroupId"], IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0"
            )
            look.click()
            expect(group).to_contain_text("Drifted")
            expect(group).to_contain_text("something may come in")

            skylift("provision-infra", "aws")
            look.click()
            expect(group).to_contain_text("In place")
            expect(rows.filter(has_text="Drifted")).to_have_count(0)
            place.close()
