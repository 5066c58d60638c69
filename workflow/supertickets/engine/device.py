"""The device and the precision of a computation."""

from __future__ import annotations

import platform
from dataclasses import dataclass

import torch

from supertickets.errors import UserError
from supertickets.jobs.gpus import free_device, visible_devices


@dataclass(frozen=True)
class Compute:
    """A device and a precision.

    Attributes:
        device: a CPU or CUDA device.
        precision: ``fp32`` or ``bf16``.
    """

    device: torch.device
    precision: str

    @classmethod
    def chosen(cls, device: str, precision: str) -> Compute:
        """The device and precision that the config asks for.

        Args:
            device: ``auto`` (CUDA if a device is available), ``cpu`` or ``cuda``.
            precision: ``auto`` (bfloat16 if the device has units for it), ``fp32`` or ``bf16``.

        Raises:
            UserError: the config asks for CUDA, but no device is available.
        """
        cuda = torch.cuda.is_available()
        if device == "cuda" and not cuda:
            raise UserError("device is cuda: torch finds no CUDA device here; write auto or cpu")
        place = torch.device("cuda" if device == "auto" and cuda else device.replace("auto", "cpu"))
        if place.type == "cuda":
            place = torch.device("cuda", free_device(visible_devices(torch.cuda.device_count())))
            torch.cuda.set_device(place)
        if precision == "auto":
            precision = "bf16" if has_bf16_units(place) else "fp32"
        return cls(place, precision)

    def multiple(self, tokens: int) -> int:
        """The number of which the batch size in tokens should be a multiple, for speed.

        The matrix units of a GPU need eight. In bfloat16 on a CPU every new shape has a set-up cost, so sizes are
        rounded in steps of a sixteenth to an eighth of them and recur. In float32 the rounding would cost as much
        as it spares.
        """
        if self.device.type != "cpu":
            return 8
        return 1 if self.precision == "fp32" else max(2 ** ((tokens // 8).bit_length() - 1), 8)


def has_bf16_units(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 matrices faster than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if platform.machine() in ("x86_64", "AMD64"):
        # AVX-512 without these converts to float32 and back, which is slower than float32.
        return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
