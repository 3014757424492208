"""A field that is added to a plug-in later leaves the ids of the runs before it as they were."""

from dataclasses import dataclass

from fedbytes.registry import Registry, added_field


class Base:
    name: str


KIND: Registry[Base] = Registry("kind", Base, "fedbytes.federated.algorithms")


@KIND.register("grown")
@dataclass(frozen=True)
class Grown(Base):
    old: int = 1
    new: float = added_field(0.0)


def test_at_its_default_it_is_left_out_of_the_specification():
    assert KIND.spec(KIND.make("grown")) == {"name": "grown", "old": 1}
    assert KIND.spec(KIND.make("grown", new=0.5)) == {"name": "grown", "old": 1, "new": 0.5}
