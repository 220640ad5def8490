"""How far the evidence for a test error of the paper reaches: the last rung of a ladder that was fixed beforehand."""

from freedarts.tables import costs as counted

RUNGS = ("the paper alone", "costs exact", "first step equal", "followed to step", "trained", "judged")


def reached(
    number: dict,
    costs: dict[tuple[str, str, str], dict[int, dict | None]],
    published: dict,
    replays: dict[str, dict],
    minimum: int,
) -> str:
    """number: contents of results/numbers/. costs: (task, supernet, source) -> seed -> counts. published: costs.yaml.
    replays: log -> contents of results/replays/. minimum: of trainings, for a verdict.

    judged: so many trainings. trained k of n: fewer. followed to step k, first step equal: of the replay of its log.
    costs exact: the networks that it may be of have all the parameters and multiply-adds that are printed of them.
    Else nothing is known but what the paper prints."""
    trained = number["readings"]["published"]["n"]
    if trained:
        return RUNGS[5] if trained >= minimum else f"{RUNGS[4]} {trained} of {minimum}"
    its = [replay for replay in replays.values() if number["id"] in replay["numbers"]]
    if followed := [replay["followed_to"] for replay in its if replay["followed_to"]]:
        return f"{RUNGS[3]} {max(followed)}"
    if any(replay["first_equal"] for replay in its):
        return RUNGS[2]
    by = number["reproduced_by"]
    case = tuple(by[key] for key in counted.KEYS)
    return RUNGS[1] if counted.exact(case, by["seeds"], costs, published) else RUNGS[0]
