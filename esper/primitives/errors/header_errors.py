"""Rules about headers, in the order of checking."""

from dataclasses import dataclass
from typing import ClassVar

from esper.primitives.errors.rule_violation import RuleViolation, Scope
from esper.primitives.ids import BlockId, ModelId


class IsolatedHeaderViolation(RuleViolation):
    """A header that is wrong whatever the chain looks like."""

    scope = Scope.ISOLATION


class HeaderContextViolation(RuleViolation):
    """A header that does not follow from the chain up to its parent."""

    scope = Scope.CONTEXT


@dataclass(eq=False)
class HeaderEncodingViolation(IsolatedHeaderViolation):
    """Bytes that are no canonical header."""

    reason: str
    template: ClassVar[str] = "header encoding: {reason}"


@dataclass(eq=False)
class HeaderVersionViolation(IsolatedHeaderViolation):
    """A version that the rules do not know."""

    got: int
    expected: int
    template: ClassVar[str] = "header version {got}, must be {expected}"


@dataclass(eq=False)
class NetworkViolation(IsolatedHeaderViolation):
    """A header of another network."""

    got: bytes
    expected: bytes
    template: ClassVar[str] = "genesis hash {got} belongs to another network, ours is {expected}"


@dataclass(eq=False)
class PayeeViolation(IsolatedHeaderViolation):
    """A payee that is no address."""

    got: bytes
    reason: str
    template: ClassVar[str] = "payee {got}: {reason}"


@dataclass(eq=False)
class ResultRangeViolation(IsolatedHeaderViolation):
    """A work result whose limbs are no canonical field elements."""

    limb: int
    value: int
    template: ClassVar[str] = "limb {limb} of r is {value}, must be below 2^64 - 2^32 + 1"


@dataclass(eq=False)
class VrfIndexViolation(IsolatedHeaderViolation):
    """A VRF leaf outside the key, or a key that would begin before the chain."""

    index: int
    height: int
    leaves: int
    template: ClassVar[str] = (
        "vrf index {index} must be below {leaves} and not above the height {height}"
    )


@dataclass(eq=False)
class VrfPathViolation(IsolatedHeaderViolation):
    """A VRF value that is not in the payee's key."""

    vrf_root: bytes
    index: int
    template: ClassVar[str] = "vrf path of index {index} does not lead to vrf_root {vrf_root}"


@dataclass(eq=False)
class UnknownParentViolation(HeaderContextViolation):
    """A parent that is not a proven block of this chain."""

    parent: BlockId
    template: ClassVar[str] = "parent {parent} is not a proven block known here"


@dataclass(eq=False)
class HeightViolation(HeaderContextViolation):
    """A height that is not the parent's plus one."""

    got: int
    expected: int
    template: ClassVar[str] = "height {got}, must be {expected}"


@dataclass(eq=False)
class TimeOldViolation(HeaderContextViolation):
    """A time that does not exceed the median of the times before it."""

    time_ms: int
    median_ms: int
    template: ClassVar[str] = "time {time_ms} ms must exceed the median {median_ms} ms before it"


@dataclass(eq=False)
class TimeFutureViolation(HeaderContextViolation):
    """A time too far ahead of the node's clock."""

    time_ms: int
    latest_ms: int
    template: ClassVar[str] = "time {time_ms} ms is later than {latest_ms} ms; try again later"


@dataclass(eq=False)
class HorizonViolation(HeaderContextViolation):
    """A height whose models depend on blocks of its branch that were not executed yet."""

    height: int
    horizon: int
    template: ClassVar[str] = (
        "height {height} is beyond {horizon}, up to which the executed part of the branch says "
        "which models there are; try again when more of it is executed"
    )


@dataclass(eq=False)
class TierViolation(HeaderContextViolation):
    """A tier that is not active."""

    got: int
    template: ClassVar[str] = "tier {got} is not active"


@dataclass(eq=False)
class ModelViolation(HeaderContextViolation):
    """A model that is not the tier's active one."""

    got: ModelId
    expected: ModelId
    template: ClassVar[str] = "model {got} is not active, the tier's is {expected}"


@dataclass(eq=False)
class TargetViolation(HeaderContextViolation):
    """A target other than the rule's."""

    got: int
    expected: int
    template: ClassVar[str] = "target {got} must be {expected}"


@dataclass(eq=False)
class BankViolation(HeaderContextViolation):
    """A prompt bank other than the model's."""

    got: bytes
    expected: bytes
    template: ClassVar[str] = "prompt bank {got} must be {expected}"


@dataclass(eq=False)
class OmegaViolation(HeaderContextViolation):
    """A tier weight other than the registry's."""

    got: int
    expected: int
    template: ClassVar[str] = "omega {got} must be {expected}"


@dataclass(eq=False)
class VrfOutputViolation(HeaderContextViolation):
    """A VRF output that does not follow from its value and the parent."""

    got: bytes
    expected: bytes
    template: ClassVar[str] = "vrf output {got} must be {expected}"
