"""Writes `pytorch.txt`: what PyTorch offers in public. Not needed for the tests.

    python tests/repository/catalogue/make_names.py      # needs torch==2.15.0
"""

import inspect
import pathlib
import re

import torch

# Parts of the machinery below the operations, of devices, quantisation and sparse tensors, and of PyTorch itself.
INTERNAL = re.compile(
    r"_copy$|^(cudnn|miopen|mkldnn|fbgemm|native|sym|quantize|quantized|fake_quantize|get|set|is_(?!close|in$|nan)|autocast|unsafe|batch_norm_)"
    r"|^(q_|int_repr|dequantize|sparse_|sp?mm|d?smm|hs[pm]+m?|ss?paddmm|saddmm|import_|parse_|init_|profiler|vulkan|clear_|choose_|fused_"
    r"|merge_type|prepare_|thread_safe|unify|typename|wait|while_loop|vmap|compile|classproperty|result_type|promote_types|can_cast"
    r"|are_det|use_det|initial_seed|seed|manual_seed|fork|load|save|from_|frombuffer|to_dlpack|hash_tensor|empty_|cond$|conj|resolve_"
    r"|detach|t_copy|segment_reduce|norm_except|alias|conv_tbc|convolution|grid_sampler|affine_grid_gen|constant_pad|feature_dropout"
    r"|rnn_|gru|lstm|scalar_tensor|sgn|real|imag|complex|polar|angle|view_as_|slice_inverse|symeig|rsub|adaptive_|max_pool|avg_pool)"
)


def names(module, keep):
    return sorted({name for name in dir(module) if not name.startswith("_") and keep(name, getattr(module, name))})


def classes(module, base):
    return lambda name, item: inspect.isclass(item) and issubclass(item, base)


def functions(name, item):
    return callable(item) and not inspect.isclass(item) and name[0].islower() and not name.endswith("_") and not INTERNAL.search(name)


def main():
    scheduler = torch.optim.lr_scheduler
    found = {
        "torch.nn": names(torch.nn, classes(torch.nn, torch.nn.Module)),
        "torch.optim": names(torch.optim, classes(torch.optim, torch.optim.Optimizer)),
        "torch.optim.lr_scheduler": names(scheduler, classes(scheduler, scheduler.LRScheduler)),
        "torch.nn.init": names(torch.nn.init, lambda name, item: name.endswith("_")),
        "torch.linalg": names(torch.linalg, lambda name, item: callable(item) and not inspect.isclass(item)),
        "torch.fft": names(torch.fft, lambda name, item: callable(item) and not inspect.isclass(item)),
        "torch": names(torch, functions),
    }
    lines = [f"# PyTorch {torch.__version__.split('+')[0]}; made by make_names.py"]
    lines += [f"{module}.{name}" for module, all_names in found.items() for name in all_names]
    pathlib.Path(__file__).with_name("pytorch.txt").write_text("\n".join(lines) + "\n")
    print({module: len(all_names) for module, all_names in found.items()})


if __name__ == "__main__":
    main()
