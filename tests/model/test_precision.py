"""Training takes the fastest precision that the device has; a forward pass runs in the one that was chosen."""

import pytest
import torch

from goama.model.precision import autocast, choose_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize("supported, precision", [(True, "bf16"), (False, "no")])
def test_a_cpu_takes_bf16_only_if_it_computes_in_it(monkeypatch, supported, precision):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: supported, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    chosen, reason = choose_precision(CPU)
    assert chosen == precision and "CPU" in reason


@pytest.mark.parametrize("precision, dtype", [("no", torch.float32), ("bf16", torch.bfloat16)])
def test_a_matrix_product_has_the_type_of_the_precision(precision, dtype):
    with autocast(CPU, precision):
        assert torch.nn.functional.linear(torch.ones(2, 2), torch.ones(2, 2)).dtype == dtype
