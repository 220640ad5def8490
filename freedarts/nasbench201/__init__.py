"""The NAS-Bench-201 benchmark (Dong and Yang, 2020) as tables: converted once (`convert`), then looked up (`query`).

An architecture was trained from up to three seeds on each of four data sets, with 12 and with 200 epochs. A *trial* is
one such training; an *accuracy* is what papers report of an architecture: a mean over trials.
"""

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
# Of the network for CIFAR-10: parameters and multiply-adds in millions, seconds for a batch of 256.
COSTS = ("params", "flops", "latency")

# In a project: the file that may be downloaded, and the tables that `convert` makes of a file.
DOWNLOAD = "data/nasbench201/NAS-Bench-201-v1_1-096897.pth"
TABLE = "data/nasbench201/architectures.parquet"
TRIALS = "data/nasbench201/trials.parquet"
