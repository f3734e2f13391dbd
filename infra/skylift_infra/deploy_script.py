"""What a person can do next with a new pool: a flow, as an image in the pool's registry."""

from __future__ import annotations

PLATFORM = "linux/amd64"
"""What the clouds run unless they are told otherwise; the person's own machine may be another."""


def deploy_script(pool: str, image: str, where: str) -> str:
    """`image`: with its registry and tag."""
    return (
        "A deploy script that builds an image, pushes it there and runs it in this pool:\n\n"
        "    from prefect import flow\n"
        "    from prefect.docker import DockerImage\n\n"
        "    @flow(log_prints=True)\n"
        "    def hello(name: str = 'world'):\n"
        f"        print(f'Hello, {{name}}, from {where}')\n\n"
        "    if __name__ == '__main__':\n"
        f"        image = DockerImage(name={image!r}, platform={PLATFORM!r})\n"
        f"        hello.deploy('first', work_pool_name={pool!r}, image=image)"
    )
