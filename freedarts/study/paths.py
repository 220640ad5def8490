"""Where results lie, below the working folder: a pattern for each kind of file, with Snakemake's wildcards."""

SEARCH = "results/search/{supernet}/{score}/seed{seed}/scores.json"
GENOTYPE = "results/genotypes/{supernet}/{source}/seed{seed}.json"
COST = "results/costs/{task}/{supernet}/{source}.json"
LOOKUP = "results/nasbench201/{supernet}/{source}.json"
ARCHITECTURE_SCORES = "results/nasbench201/scores/{score}/{architectures}/seed{seed}.json"
CORRELATION = "results/nasbench201/correlations/{score}/{architectures}/seed{seed}.json"
RANKING = "results/nasbench201/rankings/{supernet}/{score}.json"
READING = "results/numbers/{number}/{reading}.json"
NUMBER = "results/numbers/{number}.json"
REPLAY_RUN = "results/replays/{log}/{run}.json"
REPLAY = "results/replays/{log}.json"
# Of the project, below its own folder:
KEPT_REPLAYS = "benchmarks/results/replays"
KEPT_TABLES = "benchmarks/results/cifar10.csv"  # what `make cifar10` gave
METRICS = "results/retrain/{task}/{supernet}/{source}/seed{seed}/run{run}/metrics.json"
SCORES_FIGURE = "results/figures/scores/{supernet}/{score}.svg"
GENOTYPES_FIGURE = "results/figures/genotypes/{supernet}/{source}.svg"
# Of all that a configuration selects: in results/ or, where it has a name, in results/NAME/.
AGREEMENT_FIGURE = "figures/agreement.svg"
CURVES_FIGURE = "figures/curves.svg"
SCATTER_FIGURE = "figures/scatter.svg"
AGAIN_FIGURE = "figures/again.svg"
PARAMETERS_FIGURE = "figures/parameters.svg"
REPLAYS_FIGURE = "figures/replays.svg"
RULES_FIGURE = "figures/rules.svg"
# Which no configuration may have for a name.
FOLDERS = ("benchmarks", "costs", "evaluate", "figures", "genotypes", "nasbench201", "numbers", "preflight", "replays")
FOLDERS += ("retrain", "search")

Training = tuple[str, str, str, int, int]  # task, supernet, source, search seed, run


def metrics_path(training: Training) -> str:
    """The metrics of one training; its other files lie beside them."""
    return METRICS.format(**dict(zip(("task", "supernet", "source", "seed", "run"), training, strict=True)))
