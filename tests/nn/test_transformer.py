"""Attention over tokens of which some are not there."""

from __future__ import annotations

import torch

from consilience.nn.transformer import Block, Transformer, rollout


def test_a_block_is_that_of_torch_with_the_same_weights():
    torch.manual_seed(0)
    own = Block(12, 3, 0.0).eval()
    other = torch.nn.TransformerEncoderLayer(
        12, 3, 24, 0.0, activation="gelu", batch_first=True, norm_first=True
    ).eval()
    pairs = {
        "self_attn.in_proj_weight": own.ask.weight,
        "self_attn.in_proj_bias": own.ask.bias,
        "self_attn.out_proj.weight": own.answer.weight,
        "self_attn.out_proj.bias": own.answer.bias,
        "linear1.weight": own.perceptron[0].weight,
        "linear1.bias": own.perceptron[0].bias,
        "linear2.weight": own.perceptron[3].weight,
        "linear2.bias": own.perceptron[3].bias,
        "norm1.weight": own.before_attention.weight,
        "norm1.bias": own.before_attention.bias,
        "norm2.weight": own.before_perceptron.weight,
        "norm2.bias": own.before_perceptron.bias,
    }
    other.load_state_dict(pairs)
    tokens, shown = torch.randn(5, 7, 12), torch.rand(5, 7) > 0.4
    shown[:, 0] = True
    found, attention = own(tokens, shown)
    expected = other(tokens, src_key_padding_mask=~shown)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(attention.sum(dim=2), torch.ones(5, 7))
    assert (attention.transpose(1, 2)[~shown] == 0).all()


def test_tokens_not_there_are_as_if_cut_out():
    torch.manual_seed(1)
    network = Transformer(8, 2, 2, 0.0).eval()
    tokens, shown = torch.randn(1, 6, 8), torch.tensor([[True, False, True, True, False, True]])
    whole = network(tokens, shown)[0][:, 0]
    cut = network(tokens[:, shown[0]], shown[:, shown[0]])[0][:, 0]
    torch.testing.assert_close(whole, cut)


def test_a_patient_without_tokens_is_finite():
    network = Transformer(8, 2, 2, 0.0)
    states, maps = network(torch.zeros(3, 0, 8), torch.zeros(3, 0, dtype=torch.bool))
    assert torch.isfinite(states).all()
    assert all((attention == 1).all() for attention in maps)


def test_rollout_of_blocks_that_look_at_themselves_alone_is_the_identity():
    same = torch.eye(4).expand(2, 4, 4)
    torch.testing.assert_close(rollout([same, same]), same)


def test_rollout_is_the_product_of_half_steps():
    maps = [torch.softmax(torch.randn(2, 4, 4), dim=2) for _ in range(2)]
    way = torch.eye(4)
    expected = (maps[1] + way) / 2 @ ((maps[0] + way) / 2)
    torch.testing.assert_close(rollout(maps), expected)
    torch.testing.assert_close(rollout(maps).sum(dim=2), torch.ones(2, 4))
