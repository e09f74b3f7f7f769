"""Batch norms folded into convolutions."""

from __future__ import annotations

import torch
from torch import nn

from vos.backbones.folding import with_folded_norms
from vos.backbones.interactive.network import InteractiveConfig, InteractiveNetwork


def test_the_output_stays_and_the_network_as_well() -> None:
    torch.manual_seed(0)
    network = InteractiveNetwork(InteractiveConfig((4, 6, 8, 8, 8), (0, 1, 1, 1, 1))).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.running_mean, module.bias.data):
                values.normal_()
            for values in (module.running_var, module.weight.data):
                values.uniform_(0.5, 2)
    folded = with_folded_norms(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    image, planes = torch.rand(1, 3, 64, 96), torch.rand(1, 4, 64, 96)
    with torch.inference_mode():
        expected = network.decoder(network.encoder(image), planes)
        found = folded.decoder(folded.encoder(image), planes)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
