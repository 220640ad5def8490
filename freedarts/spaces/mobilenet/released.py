"""The release's weights of a MobileNet network, whose names are not known here."""

from torch import Tensor, nn

COUNTER = "num_batches_tracked"  # the end of the name of what older torch does not save


def from_release(state: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """*state* with the names of *network*. One layer follows the other in it, so its weights lie in the same order;
    where their number or the last parts of their names do not fit, *state* stays as it is, as do weights that have
    these names in any order."""
    own = [name for name in network.state_dict() if not name.endswith(COUNTER)]
    given = [name for name in state if not name.endswith(COUNTER)]
    kinds = ([name.rpartition(".")[2] for name in names] for names in (own, given))
    if set(own) == set(given) or next(kinds) != next(kinds):
        return state
    return {name: state[theirs] for name, theirs in zip(own, given, strict=True)}
