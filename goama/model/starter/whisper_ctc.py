"""Whisper's encoder under a CTC head, for transformers: configuration, network and feature extractor in one file.

This file travels inside model folders, so that `AutoModelForCTC.from_pretrained(folder, trust_remote_code=True)` opens
them where goama is not installed. It imports torch, numpy and transformers alone. goama builds its own networks from
the copy in its package and never runs the one in a folder.

Unlike Whisper itself, clips are not padded to 30 s: padding is masked, and a clip's logits are those it has alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import nn
from transformers import BatchFeature, PreTrainedConfig, PreTrainedModel, SequenceFeatureExtractor
from transformers.activations import ACT2FN
from transformers.audio_utils import mel_filter_bank
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import CausalLMOutput

SAMPLING_RATE = 16_000
FFT_SAMPLES = 400
HOP_SAMPLES = 160
"""10 ms between two log-mel frames."""
STRIDE = 2
"""Log-mel frames to one logit: conv2's stride."""
_DYNAMIC_RANGE = 8.0
"""log10 power below the loudest bin of a clip at which quieter ones are cut off."""

AUTO_MAP = {
    "AutoConfig": "whisper_ctc.WhisperCTCConfig",
    "AutoModelForCTC": "whisper_ctc.WhisperForCTC",
    "AutoFeatureExtractor": "whisper_ctc.WhisperCTCFeatureExtractor",
}
"""Where transformers finds the classes in a model folder."""


class WhisperCTCConfig(PreTrainedConfig):
    """Sizes of a Whisper encoder and of its CTC head; the defaults are Whisper-base's."""

    model_type = "whisper_ctc"

    def __init__(
        self,
        vocab_size: int = 32,
        num_mel_bins: int = 80,
        hidden_size: int = 512,
        num_hidden_layers: int = 6,
        num_attention_heads: int = 8,
        intermediate_size: int = 2048,
        max_source_positions: int = 1500,
        hidden_act: str = "gelu",
        initializer_range: float = 0.02,
        ctc_loss_reduction: str = "mean",
        ctc_zero_infinity: bool = True,
        pad_token_id: int | None = 0,
        **kwargs,
    ):
        self.vocab_size = vocab_size
        self.num_mel_bins = num_mel_bins
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.intermediate_size = intermediate_size
        self.max_source_positions = max_source_positions
        self.hidden_act = hidden_act
        self.initializer_range = initializer_range
        self.ctc_loss_reduction = ctc_loss_reduction
        self.ctc_zero_infinity = ctc_zero_infinity
        self.pad_token_id = pad_token_id
        kwargs.setdefault("bos_token_id", None)
        kwargs.setdefault("eos_token_id", None)
        super().__init__(**kwargs)

    @property
    def inputs_to_logits_ratio(self) -> int:
        """Samples to one logit, which `pipeline` needs for `chunk_length_s`."""
        return HOP_SAMPLES * STRIDE

    @property
    def longest_s(self) -> float:
        """Seconds of sound for which the network has positions: 30 for every Whisper."""
        return self.max_source_positions * self.inputs_to_logits_ratio / SAMPLING_RATE


class WhisperCTCPreTrainedModel(PreTrainedModel):
    """What transformers must know to create, load and save the network."""

    config_class = WhisperCTCConfig
    base_model_prefix = "model"
    main_input_name = "input_features"
    supports_gradient_checkpointing = True
    _no_split_modules = ("WhisperCTCLayer",)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Normal weights, zero biases; transformers calls it for what a checkpoint lacks."""
        if isinstance(module, (nn.Linear, nn.Conv1d)):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, WhisperCTCEncoder):
            positions = sinusoids(self.config.max_source_positions, self.config.hidden_size)
            module.positions.copy_(positions)


class WhisperForCTC(WhisperCTCPreTrainedModel):
    """Log-mel frames in, logits for CTC out, one for every 20 ms. Weights have the names of Whisper checkpoints."""

    def __init__(self, config: WhisperCTCConfig):
        super().__init__(config)
        self.model = WhisperCTCModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size)
        self.post_init()

    def freeze_feature_encoder(self) -> None:
        """Keep both convolutions as they are."""
        for convolution in (self.model.encoder.conv1, self.model.encoder.conv2):
            convolution.requires_grad_(False)

    def forward(
        self,
        input_features: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        output_hidden_states: bool = False,
        **kwargs,
    ) -> CausalLMOutput:
        """input_features (B, T, bins), attention_mask (B, T) with 1 where a clip has sound -> logits (B, ceil(T/2), V).

        `labels` (B, L) with -100 as padding add the CTC loss. With `output_hidden_states` the result has the hidden
        states before the first layer, after each layer, and after the last norm, (B, ceil(T/2), hidden).
        Raises `ValueError` for clips longer than the network has positions for.
        """
        lengths = None if attention_mask is None else attention_mask.sum(-1)
        states = self.model.encoder(input_features, lengths, keep_all=output_hidden_states)
        logits = self.lm_head(states[-1])
        loss = None
        if labels is not None:
            if lengths is None:
                lengths = torch.full(input_features.shape[:1], input_features.shape[1], device=logits.device)
            is_label = labels >= 0
            loss = nn.functional.ctc_loss(
                logits.float().log_softmax(-1).transpose(0, 1),
                labels[is_label],
                logit_frames(lengths),
                is_label.sum(-1),
                blank=self.config.pad_token_id,
                reduction=self.config.ctc_loss_reduction,
                zero_infinity=self.config.ctc_zero_infinity,
            )
        return CausalLMOutput(loss=loss, logits=logits, hidden_states=tuple(states) if output_hidden_states else None)


class WhisperCTCModel(nn.Module):
    """Holds the encoder under the name that it has in Whisper checkpoints, `model.encoder`."""

    def __init__(self, config: WhisperCTCConfig):
        super().__init__()
        self.encoder = WhisperCTCEncoder(config)


class WhisperCTCEncoder(nn.Module):
    """Two convolutions, fixed sinusoidal positions, pre-norm transformer layers and a last norm."""

    positions: torch.Tensor

    def __init__(self, config: WhisperCTCConfig):
        super().__init__()
        width = config.hidden_size
        self.conv1 = nn.Conv1d(config.num_mel_bins, width, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(width, width, kernel_size=3, stride=STRIDE, padding=1)
        self.layers = nn.ModuleList(WhisperCTCLayer(config) for _ in range(config.num_hidden_layers))
        self.layer_norm = nn.LayerNorm(width)
        self.register_buffer("positions", sinusoids(config.max_source_positions, width), persistent=False)

    def forward(
        self, features: torch.Tensor, lengths: torch.Tensor | None, *, keep_all: bool = False
    ) -> list[torch.Tensor]:
        """features (B, T, bins), lengths (B,) valid frames or None -> [(B, ceil(T/2), hidden)]; all states on demand.

        Padding is set to zero before each convolution, which is what a clip alone has beyond its end.
        """
        frames = features.shape[1]
        if logit_frames(frames) > len(self.positions):
            longest_s = len(self.positions) * STRIDE * HOP_SAMPLES / SAMPLING_RATE
            raise ValueError(
                f"a clip of {frames * HOP_SAMPLES / SAMPLING_RATE:.1f} s is longer than {longest_s:g} s, for which "
                f"Whisper has positions; cut it, or call pipeline with chunk_length_s={longest_s:g}"
            )
        if lengths is not None and bool((lengths == frames).all()):
            lengths = None
        padding = None if lengths is None else torch.arange(frames, device=features.device) >= lengths[:, None, None]
        states = features.transpose(1, 2)
        for number, convolution in enumerate((self.conv1, self.conv2)):
            if padding is not None:
                states = states.masked_fill(padding, 0.0)
            if (
                number == 0
                and states.dtype != convolution.weight.dtype
                and not torch.is_autocast_enabled(states.device.type)
            ):
                states = states.to(convolution.weight.dtype)
            states = nn.functional.gelu(convolution(states))
        hidden = states.transpose(1, 2)
        hidden = hidden + self.positions[: hidden.shape[1]]  # float32 under autocast: layers add up what bfloat16 loses
        visible = None
        if lengths is not None:
            visible = (torch.arange(hidden.shape[1], device=hidden.device) < logit_frames(lengths)[:, None])[
                :, None, None
            ]
        kept = [hidden]
        for layer in self.layers:
            hidden = layer(hidden, visible)
            kept.append(hidden)
        hidden = self.layer_norm(hidden)
        return [*kept, hidden] if keep_all else [hidden]


class WhisperCTCLayer(GradientCheckpointingLayer):
    """Self-attention and feed-forward network, each behind a norm and added to its input."""

    def __init__(self, config: WhisperCTCConfig):
        super().__init__()
        self.self_attn = WhisperCTCAttention(config)
        self.self_attn_layer_norm = nn.LayerNorm(config.hidden_size)
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)
        self.final_layer_norm = nn.LayerNorm(config.hidden_size)
        self.activation = ACT2FN[config.hidden_act]

    def forward(self, hidden: torch.Tensor, visible: torch.Tensor | None) -> torch.Tensor:
        """hidden (B, T, hidden), visible (B, 1, 1, T) bool or None where all frames are -> (B, T, hidden)."""
        hidden = hidden + self.self_attn(self.self_attn_layer_norm(hidden), visible)
        return hidden + self.fc2(self.activation(self.fc1(self.final_layer_norm(hidden))))


class WhisperCTCAttention(nn.Module):
    """Scaled dot-product self-attention; keys have no bias."""

    def __init__(self, config: WhisperCTCConfig):
        super().__init__()
        width = config.hidden_size
        self.heads = config.num_attention_heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, hidden: torch.Tensor, visible: torch.Tensor | None) -> torch.Tensor:
        """hidden (B, T, hidden), visible (B, 1, 1, T) bool or None -> (B, T, hidden)."""
        query, key, value = (
            projection(hidden).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        if self.training and query.device.type == "cpu" and query.dtype == torch.bfloat16:
            attended = _attend_in_products(query, key, value, visible)
        else:
            attended = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=visible)
        return self.out_proj(attended.transpose(1, 2).flatten(2))


def _attend_in_products(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, visible: torch.Tensor | None
) -> torch.Tensor:
    """(B, heads, T, size) each -> the same: attention in two matrix products.

    On CPUs in bfloat16 torch's fused attention takes 1.7 times as long forward and 4 times as long backward at 3 s a
    clip; at 10 s it is still behind. In float32 it is ahead, and it rounds less: it is what recognises.
    """
    heads, frames, size = query.shape[1:]
    queries, keys, values = (states.reshape(-1, frames, size) for states in (query, key, value))
    bias = queries.new_zeros(1, 1, 1)
    if visible is not None:
        bias = queries.new_zeros(visible.shape).masked_fill_(~visible, torch.finfo(queries.dtype).min)
        bias = bias.expand(-1, heads, 1, frames).reshape(-1, 1, frames)
    scores = torch.baddbmm(bias, queries, keys.transpose(1, 2), alpha=size**-0.5)
    return torch.bmm(scores.softmax(-1), values).view(query.shape)


class WhisperCTCFeatureExtractor(SequenceFeatureExtractor):
    """Whisper's log-mel frames of each clip by itself, without the padding to 30 s.

    Equals `WhisperFeatureExtractor(padding="do_not_pad")` on each clip alone; clips are then padded to the longest.
    """

    model_input_names = ("input_features", "attention_mask")

    def __init__(
        self, feature_size: int = 80, sampling_rate: int = SAMPLING_RATE, padding_value: float = 0.0, **kwargs
    ):
        """`feature_size`: mel bins, 80 or 128."""
        super().__init__(feature_size=feature_size, sampling_rate=sampling_rate, padding_value=padding_value, **kwargs)

    def __call__(
        self,
        raw_speech: np.ndarray | Sequence[float] | Sequence[np.ndarray],
        sampling_rate: int | None = None,
        return_tensors: str | None = "pt",
        **kwargs,
    ) -> BatchFeature:
        """One clip (N,), or several, at 16 kHz -> input_features (B, T, bins) float32, attention_mask (B, T) int64."""
        if sampling_rate not in (None, self.sampling_rate):
            raise ValueError(f"this model was trained at {self.sampling_rate} Hz, not at {sampling_rate} Hz")
        is_one = not len(raw_speech) or np.ndim(raw_speech[0]) == 0
        clips = [
            torch.as_tensor(np.asarray(clip, dtype=np.float32)) for clip in ([raw_speech] if is_one else raw_speech)
        ]
        features, lengths = log_mel(clips, mel_filters(self.feature_size))
        mask = torch.arange(features.shape[1]) < lengths[:, None]
        return BatchFeature({"input_features": features, "attention_mask": mask.long()}, tensor_type=return_tensors)

    def to_dict(self) -> dict:
        """The settings of `preprocessor_config.json`."""
        return {key: value for key, value in super().to_dict().items() if key != "mel_filters"}


def log_mel(clips: Sequence[torch.Tensor], filters: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Whisper's log-mel frames (B, T, bins) float32, 0 beyond a clip's end, and their lengths (B,) int64.

    clips (N,) float32 at 16 kHz, longer than 200 samples; filters (201, bins), on whose device the result is.
    log10 of the power in each mel bin, at most 8 below the loudest of the clip, then (x + 4) / 4, as in
    `openai-whisper`'s `log_mel_spectrogram`.
    """
    device = filters.device
    lengths = torch.tensor([len(clip) // HOP_SAMPLES for clip in clips])
    window = torch.hann_window(FFT_SAMPLES, device=device)
    if device.type == "cpu":  # small pieces stay in the cache, a batch does not
        pieces = [_log_mel_of_padded(_reflected(clip)[None], filters, window) for clip in clips]
        levelled = [
            _levelled(piece[:, :length], None)[0] for piece, length in zip(pieces, lengths.tolist(), strict=True)
        ]
        return nn.utils.rnn.pad_sequence(levelled, batch_first=True), lengths
    padded = nn.utils.rnn.pad_sequence([_reflected(clip) for clip in clips], batch_first=True)
    frames = _log_mel_of_padded(padded.to(device, non_blocking=True), filters, window)[:, : int(lengths.max())]
    valid = (torch.arange(frames.shape[1]) < lengths[:, None])[..., None].to(device, non_blocking=True)
    return _levelled(frames, valid), lengths.to(device)


def _reflected(clip: torch.Tensor) -> torch.Tensor:
    """As `torch.stft(center=True)` extends a clip, so that each frame's middle is a multiple of the hop."""
    return nn.functional.pad(clip[None], (FFT_SAMPLES // 2, FFT_SAMPLES // 2), mode="reflect")[0]


def _log_mel_of_padded(samples: torch.Tensor, filters: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
    """(B, N) -> (B, frames, bins), log10 of the power."""
    frames = samples.unfold(1, FFT_SAMPLES, HOP_SAMPLES)
    spectrum = torch.fft.rfft(frames * window)
    power = spectrum.real.square() + spectrum.imag.square()
    return (power @ filters).clamp_min_(1e-10).log10_()


def _levelled(log_power: torch.Tensor, valid: torch.Tensor | None) -> torch.Tensor:
    """(B, T, bins) brought into Whisper's range, by each clip's own maximum; 0 where not `valid` (B, T, 1)."""
    valid_power = log_power if valid is None else log_power.masked_fill(~valid, -math.inf)
    levelled = (torch.maximum(log_power, valid_power.amax((1, 2), keepdim=True) - _DYNAMIC_RANGE) + 4.0) / 4.0
    return levelled if valid is None else levelled.masked_fill(~valid, 0.0)


@lru_cache(maxsize=4)
def mel_filters(bins: int) -> torch.Tensor:
    """(201, bins) float32, Slaney's mel scale and area normalisation, 0 to 8 kHz."""
    filters = mel_filter_bank(
        num_frequency_bins=1 + FFT_SAMPLES // 2,
        num_mel_filters=bins,
        min_frequency=0.0,
        max_frequency=SAMPLING_RATE / 2,
        sampling_rate=SAMPLING_RATE,
        norm="slaney",
        mel_scale="slaney",
    )
    return torch.from_numpy(filters).float()


def logit_frames(frames):
    """Logits for that many log-mel frames, an int or an integer tensor: conv2 with stride 2 rounds up."""
    return (frames + STRIDE - 1) // STRIDE


def sinusoids(length: int, width: int) -> torch.Tensor:
    """(T, width) float32, T = `length`: Whisper's positions, sines then cosines, wavelengths from 2π to 10,000 · 2π."""
    half = width // 2
    rates = torch.exp(-math.log(10_000) / (half - 1) * torch.arange(half))
    angles = torch.arange(length)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)
