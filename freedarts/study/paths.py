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
METRICS = "results/retrain/{task}/{supernet}/{source}/seed{seed}/run{run}/metrics.json"
SCORES_FIGURE = "results/figures/scores/{supernet}/{score}.svg"
GENOTYPES_FIGURE = "results/figures/genotypes/{supernet}/{source}.svg"
AGREEMENT_FIGURE = "results/figures/agreement.svg"
CURVES_FIGURE = "results/figures/curves.svg"
SCATTER_FIGURE = "results/figures/scatter.svg"
RULES_FIGURE = "results/figures/rules.svg"

Training = tuple[str, str, str, int, int]  # task, supernet, source, search seed, run


def metrics_path(training: Training) -> str:
    """The metrics of one training; its other files lie beside them."""
    return METRICS.format(**dict(zip(("task", "supernet", "source", "seed", "run"), training, strict=True)))
