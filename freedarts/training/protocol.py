"""Training protocols: what a task's `protocol` holds, and the learning rate of every step. Imports no torch."""

import math
from dataclasses import asdict, dataclass, fields

from freedarts.files import InputError, nearest

ALL, CONVOLUTIONS, INTENDED = "all", "convolutions", "convolutions-and-classifier"


@dataclass(frozen=True)
class Protocol:
    """SGD with momentum, as DARTS trains its final networks (Liu et al., 2019, section 3.2)."""

    epochs: int
    batch_size: int
    learning_rate: float
    schedule: str  # a key of SCHEDULES
    momentum: float
    weight_decay: float
    gradient_clip: float  # largest global L2 norm
    drop_path: float  # grows linearly from 0 over the epochs towards this probability
    auxiliary_weight: float  # of the auxiliary head's loss
    label_smoothing: float
    decay: str = ALL  # the parameters that decay: ALL, CONVOLUTIONS (their weights), INTENDED
    reshuffle: bool = True  # whether every epoch has an order of its own
    color_jitter: bool = False  # of image folders: brightness, contrast and saturation by 0.4, hue by 0.2

    def __post_init__(self):
        for key, allowed in (("schedule", SCHEDULES), ("decay", (ALL, CONVOLUTIONS, INTENDED))):
            if (value := getattr(self, key)) not in allowed:
                raise InputError(f"protocol: {key} {value!r}; allowed: {', '.join(allowed)}{nearest(value, allowed)}")

    @classmethod
    def preset(cls, name: str, **changes: object) -> "Protocol":
        """One of freedarts.training.presets, but for *changes*. InputError lists the names or keys that there are."""
        from freedarts.training.presets import PRESETS

        known = [field.name for field in fields(cls)]
        for kind, value, names in (("preset", name, [*PRESETS]), *(("unknown key", key, known) for key in changes)):
            if value not in names:
                raise InputError(f"protocol: {kind} {value!r}; allowed: {', '.join(names)}{nearest(value, names)}")
        return cls(**{**PRESETS[name], **changes})

    def learning_rate_at(self, epoch: int, step: int = 0, images: int = 1) -> float:
        """The rate that is used in *step* of *epoch*, both from 0, on a data set of *images* to train on."""
        when = _When(epoch, self.epochs, step, images, self.batch_size)
        return self.learning_rate * SCHEDULES[self.schedule](when)

    def drop_path_at(self, epoch: int) -> float:
        return self.drop_path * epoch / self.epochs


def resolved(settings: dict) -> dict:
    """The *settings* of a task, with all defaults of its protocol filled in."""
    return {**settings, "protocol": asdict(Protocol(**settings["protocol"]))}


@dataclass(frozen=True)
class _When:
    epoch: int
    epochs: int
    step: int
    images: int
    batch_size: int

    @property
    def steps(self) -> int:
        """Of an epoch; the last batch may be smaller."""
        return math.ceil(self.images / self.batch_size)


def _cosine(now: _When) -> float:
    """From 1 towards 0, which would be reached one epoch after the last."""
    return (1 + math.cos(math.pi * now.epoch / now.epochs)) / 2


def _cosine_released(now: _When) -> float:
    """The release steps its scheduler before an epoch, so that the last epoch trains with rate 0."""
    return (1 + math.cos(math.pi * (now.epoch + 1) / now.epochs)) / 2


def _linear_released(now: _When) -> float:
    """The release's ImageNet schedule: five epochs of warm-up from the base rate, linear, a fifth in the last five."""
    if now.epoch < 5:
        return (now.epoch + 1) / 5
    if now.epoch < now.epochs - 5:
        return (now.epochs - 5 - now.epoch) / (now.epochs - 5)
    return (now.epochs - now.epoch) / (5 * (now.epochs - 5))


def _linear_steps(now: _When) -> float:
    """Step by step from 1 towards 0, which would be reached one step after the last."""
    return 1 - (now.epoch * now.steps + now.step) / (now.epochs * now.steps)


def _linear_steps_released(now: _When) -> float:
    """The release's MobileNet schedule counts whole batches only, but trains on the last, smaller one too: the rate is
    0 as many steps before the end as there are epochs, and negative from then on."""
    return 1 - (now.epoch * now.steps + now.step) / (now.epochs * (now.images // now.batch_size))


SCHEDULES = {
    "cosine": _cosine,
    "cosine-released": _cosine_released,
    "linear-released": _linear_released,
    "linear-steps": _linear_steps,
    "linear-steps-released": _linear_steps_released,
}
