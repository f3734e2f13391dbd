"""Names for flow runs that nobody named."""

from __future__ import annotations

import random

_ADJECTIVES = (
    "amber ancient autumn azure bold brave bright brisk calm careful cheerful clever cobalt copper coral cosmic "
    "crimson curious daring dapper eager early electric emerald fearless fleet gentle gilded golden graceful hidden "
    "humble indigo ivory jolly keen lively lucky lunar maroon mellow merry mighty misty nimble noble olive patient "
    "placid polished prompt quick quiet radiant rapid rosy royal rustic scarlet serene silent silver sincere solar "
    "spry steady stellar sunny swift tidy tranquil upbeat velvet vivid wandering warm wise witty zesty"
).split()
_NOUNS = (
    "albatross badger beaver bison buzzard caribou chough cormorant crane cricket curlew dingo dolphin dragonfly "
    "eagle egret falcon ferret finch firefly fox gannet gecko gull hare harrier hawk heron hoopoe ibex ibis jackdaw "
    "jaguar kestrel kite koala lark lemur linnet lynx magpie manta marlin marten merlin moth newt nightjar ocelot "
    "oriole osprey otter owl panther pelican petrel plover puffin quail raven robin rook salmon sandpiper seal skylark "
    "sparrow starling stork swallow swan swift "
    "tern thrush toucan turtle vole wagtail walrus whale wombat wren yak"
).split()


def random_name() -> str:
    """Two words, `swift-heron` for one."""
    return f"{random.choice(_ADJECTIVES)}-{random.choice(_NOUNS)}"  # noqa: S311 - a name is no secret
