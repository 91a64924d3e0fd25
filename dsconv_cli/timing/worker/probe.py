"""Is the device there, what can it run, and which devices are there at all."""

from __future__ import annotations

import os
from dataclasses import replace

import torch

from dsconv_cli.errors import DsconvError, first_line
from dsconv_cli.layer.spec import ConvSpec
from dsconv_cli.timing.result import Machine
from dsconv_cli.timing.runtimes import TORCH
from dsconv_cli.timing.worker.answers import Conditions, Found
from dsconv_cli.timing.worker.devices import DEVICES, parse_device
from dsconv_cli.timing.worker.layer import operators_of, row_of
from dsconv_cli.timing.worker.system import available_cores


def probe(conditions: Conditions) -> Machine:
    """The machine under `conditions`.

    Raises:
        DsconvError: the device is absent, or cannot run a convolution in this dtype.
    """
    kind, index = parse_device(conditions.device)
    device = DEVICES[kind]
    default_threads = torch.get_num_threads()
    reason = device.absent(torch, index)
    if reason is not None:
        raise DsconvError(f"no device {conditions.device} here: {reason}; the device cpu always works")
    if not conditions.quantised:
        _check_dtype(replace(conditions, runtime=TORCH.name, chain=1))
    cores = available_cores()
    return Machine(
        torch=str(torch.__version__),
        device_name=device.name(torch, index),
        cores=cores,
        all_cores=os.cpu_count() or cores,
        default_threads=default_threads,
        clock=device.clock,
        free_bytes=device.free_bytes(torch, index),
        notes=device.notes(torch, conditions.dtype),
    )


def list_devices() -> tuple[Found, ...]:
    """Every kind of device in the table, and every CUDA device by its number."""
    found = []
    for kind, device in DEVICES.items():
        reason = device.absent(torch, 0)
        count = torch.cuda.device_count() if device.numbered and reason is None else 1
        for index in range(count):
            name = kind if count == 1 else f"{kind}:{index}"
            found.append(Found(name, reason is None, reason or device.name(torch, index)))
    return tuple(found)


def _check_dtype(conditions: Conditions) -> None:
    """Run the smallest convolution of each kind; torch's own words say what is missing."""
    try:
        for layer in operators_of(ConvSpec(k=2, c=2, h=3, w=3)):
            with torch.inference_mode():
                row_of((layer,), conditions).build(conditions).call()
    except (RuntimeError, TypeError) as error:
        raise DsconvError(
            f"{conditions.device} cannot run convolutions in {conditions.dtype} here "
            f"({first_line(error)}); float32 always works"
        ) from error
