"""The steps of a training by a protocol: the optimizer, and how one batch is computed."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from freedarts.training.protocol import ALL, INTENDED, Protocol


def optimizer(network: nn.Module, protocol: Protocol) -> torch.optim.Optimizer:
    """SGD that lets the parameters decay that the protocol names."""

    def decays(name: str, parameter: Tensor) -> bool:
        classifier = protocol.decay == INTENDED and name.startswith("classifier.")
        return protocol.decay == ALL or parameter.ndim == 4 or classifier

    groups = {protocol.weight_decay: [], 0.0: []}
    for name, parameter in network.named_parameters():
        groups[protocol.weight_decay if decays(name, parameter) else 0.0].append(parameter)
    options = [{"params": parameters, "weight_decay": decay} for decay, parameters in groups.items() if parameters]
    return torch.optim.SGD(options, protocol.learning_rate, protocol.momentum)


def drop_path(probability: float, device: torch.device) -> Tensor | None:
    """As the networks take it."""
    return torch.tensor(probability, device=device) if probability else None


class Steps:
    """Takes the steps of a training of *network*, which may be wrapped by a group of processes, with mixed precision
    (bf16), and whole batches through torch.compile (compiled). memory_format: that the network's weights have."""

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        protocol: Protocol,
        bf16: bool = False,
        compiled: bool = False,
        memory_format: torch.memory_format = torch.channels_last,
    ):
        self._network, self._optimizer, self._protocol, self._bf16 = network, optimizer, protocol, bf16
        self._memory_format = memory_format
        self._whole = torch.compile(network) if compiled else network

    def take(
        self, inputs: Tensor, labels: Tensor, rate: float, weight: float = 1.0, whole: bool = True
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One step with the learning *rate*; weight: of the images in the mean over several processes; whole: false
        for the last, smaller batch, which would be compiled a second time. Returns the logits, and the mean loss
        without and with the auxiliary head's part."""
        for parameters in self._optimizer.param_groups:
            parameters["lr"] = rate
        logits, loss, total = self.losses(inputs, labels, whole)
        self._optimizer.zero_grad()
        (total if weight == 1.0 else weight * total).backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), self._protocol.gradient_clip)
        self._optimizer.step()
        return logits.detach(), loss.detach(), total.detach()

    def losses(self, inputs: Tensor, labels: Tensor, whole: bool = True) -> tuple[Tensor, Tensor, Tensor]:
        """What `take` returns, before the step."""
        with torch.autocast(labels.device.type, torch.bfloat16, enabled=self._bf16):
            network = self._whole if whole else self._network
            logits, auxiliary = network(inputs.contiguous(memory_format=self._memory_format))
            loss = total = self._loss(logits, labels)
            if auxiliary is not None:
                total = loss + self._protocol.auxiliary_weight * self._loss(auxiliary, labels)
        return logits, loss, total

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, label_smoothing=self._protocol.label_smoothing)
