"""The NAS-Bench-201 benchmark (Dong and Yang, 2020): the accuracies of all its architectures (`packaged`), or all that
a file of it holds, converted once (`convert`), then looked up (`query`).

An architecture was trained from up to three seeds on each of four data sets, with 12 and with 200 epochs. A *trial* is
one such training; an *accuracy* is what papers report of an architecture: a mean over trials. The benchmark has two
*versions*: v1_1 has more trials than v1_0.

>>> accuracy("|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|…|", "cifar100")
"""

import importlib

SPACE = "nasbench201"
SIZE = 15_625  # architectures
DATASETS = ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")
EVALUATIONS = ("x-valid", "x-test", "ori-test")
EPOCHS = (12, 200)

# Accuracies in percent: column -> (data set trained on, evaluated on, epochs). The first six are what papers report.
ACCURACIES = {
    "cifar10_valid": ("cifar10-valid", "x-valid", 200),
    "cifar10_test": ("cifar10", "ori-test", 200),
    "cifar100_valid": ("cifar100", "x-valid", 200),
    "cifar100_test": ("cifar100", "x-test", 200),
    "imagenet16_valid": ("ImageNet16-120", "x-valid", 200),
    "imagenet16_test": ("ImageNet16-120", "x-test", 200),
    "cifar10_valid_12": ("cifar10-valid", "x-valid", 12),
}
# What papers call a data set and split -> column.
SPLITS = {
    ("cifar10", "valid"): "cifar10_valid",
    ("cifar10", "test"): "cifar10_test",
    ("cifar100", "valid"): "cifar100_valid",
    ("cifar100", "test"): "cifar100_test",
    ("ImageNet16-120", "valid"): "imagenet16_valid",
    ("ImageNet16-120", "test"): "imagenet16_test",
}
# Version of the benchmark -> those of its accuracies that are part of the package.
VERSIONS = {"v1_1": tuple(ACCURACIES), "v1_0": ("cifar10_test", "cifar100_test", "imagenet16_test")}
VERSION = "v1_1"  # of a look-up that does not name one

# Of the network for CIFAR-10: parameters and multiply-adds in millions, seconds for a batch of 256.
COSTS = ("params", "flops", "latency")

# In a project: the file that may be downloaded, and the tables that `convert` makes of a file.
DOWNLOAD = "data/nasbench201/NAS-Bench-201-v1_1-096897.pth"
TABLE = "data/nasbench201/architectures.parquet"
TRIALS = "data/nasbench201/trials.parquet"


def accuracy(arch, dataset: str = "cifar10", split: str = "test", version: str = VERSION) -> float:
    """Mean accuracy in percent of an architecture after 200 epochs, in the accuracies that are part of the package.

    arch: architecture string `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`, benchmark index, or Genotype. dataset: cifar10,
    cifar100, ImageNet16-120; split: test, or valid, which v1_1 alone has. InputError for what is not there.
    """
    # It imports numpy. By name, so that jobs which need the names above do not depend on its code.
    query = importlib.import_module("freedarts.nasbench201.query")
    return query.packaged_table(version).accuracy(arch, dataset, split)
