"""Writes components.json: principal components, by scikit-learn. See README.md.

    pip install scikit-learn==1.9.1 numpy==2.4.6
    python tests/golden/make_components.py
"""

import json
import pathlib

import numpy as np
import sklearn
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

HERE = pathlib.Path(__file__).parent
iris = np.genfromtxt(HERE.parent.parent / "examples/data/iris.csv", delimiter=",", skip_header=1, usecols=range(4))
digits = load_digits().data
components = []
for name, x, k in [("iris", iris, 3), ("digits", digits, 4)]:
    pca = PCA(n_components=k, svd_solver="full")
    flat = pca.fit_transform(x)
    components.append({"data": name, "dimensions": k, "rows": flat[:12].tolist(), "variance": pca.explained_variance_.tolist()})

path = HERE / "components.json"
path.write_text(json.dumps({"scikit-learn": sklearn.__version__, "components": components}) + "\n")
print(path, path.stat().st_size, "bytes")
