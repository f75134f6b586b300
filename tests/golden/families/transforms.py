"""Steps of pictures whose numbers are fixed, by torchvision. They are computed in f32 here."""

import torchvision.transforms.v2.functional as F
from torchvision.transforms import InterpolationMode

from recorder import uniform

LINEAR = dict(interpolation=InterpolationMode.BILINEAR)


def cases(f):
    f.sums = True

    def step(op, label, run, shape=(3, 7, 9), **attrs):
        f.case(op, label, lambda x, **_: run(x), [uniform(0.05, 0.95, *shape)], fixed=(0,), **attrs)

    for label, size in (("larger", [12, 11]), ("smaller", [3, 4]), ("each", [15, 2]), ("one", [1, 1]), ("same", [7, 9])):
        step("resize", label, lambda x, size=size: F.resize(x, size, antialias=True, **LINEAR), size=size)
    for side in (5, 7, 14):
        step("resize_shorter", str(side), lambda x, side=side: F.resize(x, side, antialias=True, **LINEAR), side=side)
    for label, size in (("inside", [4, 3]), ("odd", [2, 4]), ("outside", [10, 12])):
        step("center_crop", label, lambda x, size=size: F.center_crop(x, size), size=size)
    for label, angle, scale, shear in (
        ("turned", 30.0, 1.0, 0.0),
        ("back", -75.0, 1.0, 0.0),
        ("larger", 0.0, 1.4, 0.0),
        ("sheared", 0.0, 1.0, 20.0),
        ("everything", 12.0, 0.8, -15.0),
    ):
        run = lambda x, a=angle, s=scale, h=shear: F.affine(x, a, [0, 0], s, [h, 0.0], **LINEAR)
        step("affine", label, run, angle=angle, scale=scale, shear=shear)
    for factor in (0.0, 0.6, 1.3):
        step("brightness", str(factor), lambda x, k=factor: F.adjust_brightness(x, k), factor=factor)
        step("contrast", str(factor), lambda x, k=factor: F.adjust_contrast(x, k), factor=factor)
        step("contrast", f"gray_{factor}", lambda x, k=factor: F.adjust_contrast(x, k), shape=(1, 4, 5), factor=factor)
        step("saturation", str(factor), lambda x, k=factor: F.adjust_saturation(x, k), factor=factor)
    for turn in (-0.5, -0.2, 0.1, 0.45):
        step("hue", str(turn), lambda x, t=turn: F.adjust_hue(x, t), turn=turn)
    step("grayscale", "colours", lambda x: F.rgb_to_grayscale(x, num_output_channels=3))
    for kernel, sigma in ((3, 0.8), (5, 2.0), (1, 1.0)):
        run = lambda x, k=kernel, s=sigma: F.gaussian_blur(x, [k, k], [s, s])
        step("blur", f"{kernel}_{sigma}", run, kernel=kernel, sigma=sigma)
    mean, std = [0.4, 0.5, 0.6], [0.2, 0.3, 0.25]
    step("normalize", "each", lambda x: F.normalize(x, mean, std), mean=mean, std=std)
