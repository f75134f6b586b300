"""What TensorBoard reads of our event files, an event file of TensorBoard's own, and histograms of NumPy.

    pip install tensorboard==2.21.0 numpy pillow
    DEMOTIC_EVENTS=DIR cargo test -p demotic-tests --test golden tensorboard
    python tests/golden/make_tensorboard.py DIR

The first command writes our files into DIR, which must not exist; the second one loads them in a TensorBoard server and keeps what that
answers in `events/shown.json`. `events/theirs` is written by TensorBoard's own writer, `events/histograms.json` by NumPy.
"""

import base64
import io
import json
import pathlib
import shutil
import sys
import time
import urllib.parse
import urllib.request

import numpy
import tensorboard
from PIL import Image
from tensorboard import program
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter

HERE = pathlib.Path(__file__).parent / "events"


def number(x):
    """JSON has no NaN."""
    x = float(x)
    return x if numpy.isfinite(x) else str(x)


def shown(folder):
    """What a server answers, and what the library behind it reads."""
    server = program.TensorBoard()
    server.configure(argv=[None, "--logdir", folder, "--load_fast", "false", "--port", "0"])
    url = server.launch()

    def ask(path, **query):
        return urllib.request.urlopen(f"{url}data/{path}?{urllib.parse.urlencode(query)}").read()

    for _ in range(100):
        if json.loads(ask("runs")) and json.loads(ask("plugin/text/tags")):
            break
        time.sleep(0.2)
    time.sleep(2)
    run, out = ".", {"scalars": {}, "histograms": {}, "images": {}, "texts": {}}
    for tag in json.loads(ask("plugin/scalars/tags"))[run]:
        points = json.loads(ask("plugin/scalars/scalars", run=run, tag=tag))
        out["scalars"][tag] = [[step, number(value)] for _, step, value in points]
    for tag in json.loads(ask("plugin/histograms/tags"))[run]:
        points = json.loads(ask("plugin/histograms/histograms", run=run, tag=tag))
        out["histograms"][tag] = [[step, bins] for _, step, bins in points]
    for tag in json.loads(ask("plugin/images/tags"))[run]:
        out["images"][tag] = []
        for entry in json.loads(ask("plugin/images/images", run=run, tag=tag, sample=0)):
            query = dict(urllib.parse.parse_qsl(entry["query"]))
            picture = Image.open(io.BytesIO(ask("plugin/images/individualImage", **query)))
            pixels = numpy.asarray(picture)
            flat = pixels.flatten().tolist()
            # Of a large picture, a sum in which each pixel has its place.
            flat = flat if len(flat) < 100 else sum((i + 1) * byte for i, byte in enumerate(flat))
            out["images"][tag].append([entry["step"], picture.mode, list(pixels.shape), flat])
    for tag in json.loads(ask("plugin/text/tags"))[run]:
        out["texts"][tag] = [[entry["step"], entry["text"]] for entry in json.loads(ask("plugin/text/text", run=run, tag=tag))]
    # The old library keeps the sums of histograms, too.
    reader = EventAccumulator(folder, size_guidance={"histograms": 0})
    reader.Reload()
    out["sums"] = {}
    for tag in reader.Tags()["histograms"]:
        out["sums"][tag] = [
            [e.step, *map(number, [h.min, h.max, h.num, h.sum, h.sum_squares])]
            for e in reader.Histograms(tag)
            for h in [e.histogram_value]
        ]
    return {"tensorboard": tensorboard.__version__, **out}


def theirs(folder):
    """A file with one value of each kind."""
    shutil.rmtree(folder, ignore_errors=True)
    writer = EventFileWriter(str(folder))

    def add(step, **value):
        summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(**value)])
        writer.add_event(event_pb2.Event(step=step, wall_time=1700000000.25 + step, summary=summary))

    add(1, tag="simple", simple_value=0.1)
    add(2, tag="tensor", tensor=tensor_pb2.TensorProto(dtype=1, float_val=[0.3]))
    add(3, tag="text", tensor=tensor_pb2.TensorProto(dtype=7, string_val=["grün".encode()]))
    histogram = summary_pb2.HistogramProto(
        min=-1, max=3, num=4, sum=5, sum_squares=11, bucket_limit=[0, 1, 3], bucket=[1, 0, 3]
    )
    add(-4, tag="histogram", histo=histogram)
    add(1 << 40, tag="image", image=summary_pb2.Summary.Image(height=2, width=3, colorspace=1, encoded_image_string=b"png"))
    start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    writer.add_event(event_pb2.Event(step=7, wall_time=1700000001, session_log=start))
    writer.close()
    [path] = folder.iterdir()
    path.rename(folder / "events.out.tfevents")


def histograms():
    rng = numpy.random.default_rng(0)
    cases = []
    values = [
        rng.normal(size=200),
        rng.uniform(-1, 1, 50),
        numpy.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
        numpy.array([2.5] * 7),
        numpy.array([-3e30, 1e30, 2.0]),
        numpy.arange(64) / 7,
    ]
    for x in values:
        x = x.astype(numpy.float32)
        for bins in [1, 3, 10, 64]:
            counts, edges = numpy.histogram(x.astype(numpy.float64), bins)
            cases.append({"values": x.astype(float).tolist(), "counts": counts.tolist(), "edges": edges.tolist()})
    return {"numpy": numpy.__version__, "cases": cases}


def rates():
    """Where PyTorch Lightning's `suggestion` points to."""
    rng = numpy.random.default_rng(1)
    cases = []
    for n in [120, 100, 40, 12]:
        losses = 2 - numpy.tanh(numpy.linspace(-4, 3, n)) + rng.normal(size=n) * 0.02
        skip = min(10, n // 10)
        place = int(numpy.gradient(losses[skip:-1]).argmin()) + skip
        cases.append({"losses": losses.tolist(), "place": place})
    return cases


def write(name, value):
    (HERE / name).write_text(json.dumps(value, ensure_ascii=False) + "\n")


HERE.mkdir(exist_ok=True)
theirs(HERE / "theirs")
write("histograms.json", histograms())
write("rates.json", rates())
write("shown.json", shown(sys.argv[1]))
