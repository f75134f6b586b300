"""Small files of `torch.save`, of today and of the form before PyTorch 1.6, and what is in them (tests/golden/pytorch).

    pip install torch==2.15.0
    python tests/golden/make_pytorch.py
"""

import json
import pathlib
import shutil
import zipfile
from collections import OrderedDict

import torch

FOLDER = pathlib.Path(__file__).resolve().parent / "pytorch"
shutil.rmtree(FOLDER, ignore_errors=True)
FOLDER.mkdir()
expected = {}


def save(name, value, tensors, **options):
    torch.save(value, FOLDER / name, **options)
    say(name, tensors)


def say(name, tensors):
    describe = lambda t: [list(t.shape), t.double().flatten().tolist() if not t.is_complex() else None]
    expected[name] = {key: describe(t.detach()) for key, t in tensors.items()}


base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 8 - 1
tensors = OrderedDict(
    whole=base,
    turned=base.t(),
    part=base[1:3, 2:5],
    every_other=base[:, ::2],
    repeated=base[0, :2].expand(3, 2),
    last=base[3, 5],
    none=torch.zeros(0, 3),
    learnt=torch.nn.Parameter(base[:2].clone()),
    cube=torch.arange(24, dtype=torch.float64).reshape(2, 3, 4).permute(2, 0, 1),
)
for dtype in (torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8):
    tensors[str(dtype)[6:]] = torch.tensor([-3, 0, 7]).to(dtype)
tensors["uint8"] = torch.tensor([0, 200, 255], dtype=torch.uint8)
tensors["bool"] = torch.tensor([True, False, True])
save("old.pth", tensors, tensors, _use_new_zipfile_serialization=False)
for dtype in (torch.uint16, torch.uint32):
    tensors[str(dtype)[6:]] = torch.tensor([0, 60000]).to(dtype)
save("new.pth", tensors, tensors)
save("protocol4.pth", tensors, tensors, pickle_protocol=4)
save("unknown.pth", {"a": base, "c": torch.zeros(2, dtype=torch.complex64)}, {"a": base})
save("list.pth", [base[0], (base[1], {"x": base[2]}), "text", None], {"0": base[0], "1.0": base[1], "1.1.x": base[2]})
save("alone.pth", base[0], {"tensor": base[0]})

torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
opt = torch.optim.Adam(net.parameters())
net(torch.randn(5, 3)).sum().backward()
opt.step()
checkpoint = {
    "epoch": 3, "best": 0.25, "big": 2**70, "flags": [True, None], "size": torch.Size([1, 2]), "type": torch.float32,
    "device": torch.device("cpu"), "bytes": b"\x00\xff", "state_dict": net.state_dict(), "optimizer": opt.state_dict(),
}
save("checkpoint.pth", checkpoint, net.state_dict())
state = {f"{i}.{k}": v for i, s in opt.state_dict()["state"].items() for k, v in s.items()}
say("checkpoint.pth optimizer.state", state)

# As a machine with the other order of bytes would write it.
with zipfile.ZipFile(FOLDER / "new.pth") as source, zipfile.ZipFile(FOLDER / "big.pth", "w") as out:
    sizes = {str(s): t.element_size() for s, t in enumerate(tensors.values())}
    keys = {}
    for name, t in tensors.items():
        keys.setdefault(t.untyped_storage().data_ptr() if t.numel() else name, (len(keys), t.element_size()))
    width = dict(keys.values())
    for entry in source.infolist():
        data = source.read(entry)
        key = entry.filename.partition("/data/")[2]
        if key:
            size = width[int(key)]
            data = b"".join(data[i : i + size][::-1] for i in range(0, len(data), size))
        out.writestr(entry.filename, b"big" if entry.filename.endswith("byteorder") else data)
say("big.pth", tensors)
(FOLDER / "expected.json").write_text(json.dumps(expected))
