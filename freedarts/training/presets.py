"""Protocols by name, for the library: apart, because an edit here changes no training of the workflow."""

_DARTS = {
    "epochs": 600,
    "batch_size": 96,
    "learning_rate": 0.025,
    "schedule": "cosine-released",
    "momentum": 0.9,
    "weight_decay": 3e-4,
    "gradient_clip": 5.0,
    "drop_path": 0.2,
    "auxiliary_weight": 0.4,
    "label_smoothing": 0.0,
}
_IMAGENET = {
    "epochs": 250,
    "batch_size": 320,
    "learning_rate": 0.3,
    "schedule": "linear-released",
    "weight_decay": 3e-5,
}
_IMAGENET |= {"drop_path": 0.0, "label_smoothing": 0.1, "color_jitter": True}
# As the tasks of config/config.yaml have them: those of the release, but for digits, which a laptop trains.
PRESETS = {
    "digits": {**_DARTS, "epochs": 3, "batch_size": 32, "learning_rate": 0.05, "schedule": "cosine"},
    "cifar10": _DARTS,
    "cifar100": _DARTS,
    "imagenet": {**_DARTS, **_IMAGENET},
}
