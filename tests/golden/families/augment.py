"""Changes of tones, and all that RandAugment may do to a picture, by torchvision. They are computed in f32 here."""

import torch
import torchvision.transforms.v2.functional as F
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import RandAugment

from recorder import uniform


def cases(f):
    f.sums = True

    def step(op, label, run, shape=(3, 5, 6), **attrs):
        f.case(op, label, lambda x, **_: run(x), [uniform(0.05, 0.95, *shape)], fixed=(0,), **attrs)

    for factor in (0.0, 0.5, 1.8):
        step("sharpness", str(factor), lambda x, k=factor: F.adjust_sharpness(x, k), factor=factor)
    step("sharpness", "small", lambda x: F.adjust_sharpness(x, 0.5), shape=(1, 2, 4), factor=0.5)
    for bits in (0, 1, 3, 8):
        step("posterize", str(bits), lambda x, b=bits: F.posterize(x, b), shape=(1, 4, 5), bits=bits)
    for threshold in (0.0, 0.4, 1.0):
        step("solarize", str(threshold), lambda x, t=threshold: F.solarize(x, t), shape=(1, 4, 5), threshold=threshold)
    step("invert", "colours", F.invert)
    step("autocontrast", "colours", F.autocontrast)
    step("autocontrast", "flat", lambda x: F.autocontrast(x * 0 + 0.25), shape=(3, 2, 2), flat=True)
    step("equalize", "few", F.equalize)
    step("equalize", "many", F.equalize, shape=(1, 23, 25))

    augment = RandAugment(interpolation=InterpolationMode.BILINEAR)

    def everything(x, magnitude):
        """Each of the changes, those with a direction in both."""
        found = []
        for name, (magnitudes, signed) in augment._AUGMENTATION_SPACE.items():
            of_all = magnitudes(31, *x.shape[-2:])
            amount = 0.0 if of_all is None else float(of_all[magnitude])
            for sign in (1, -1) if signed else (1,):
                options = dict(interpolation=InterpolationMode.BILINEAR, fill={torch.Tensor: None, "others": None})
                found.append(augment._apply_image_or_video_transform(x, name, sign * amount, **options))
        return found

    f.case("rand_augment", "colours", everything, [uniform(0.05, 0.95, 3, 5, 4)], fixed=(0,), magnitude=20)
    f.case("rand_augment", "gray", everything, [uniform(0.05, 0.95, 1, 7, 6)], fixed=(0,), magnitude=9)
