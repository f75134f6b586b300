"""What scikit-learn's MLPClassifier reaches on the split of a run of this example.

    pip install scikit-learn==1.9.1 pandas
    python examples/tabular/reference.py out/tabular species
"""

import os
import sys

os.environ["OMP_NUM_THREADS"] = "1"  # The products are too small to be shared.

import numpy as np
import pandas as pd
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

folder, target = sys.argv[1:]
train, test = (pd.read_csv(f"{folder}/{part}.csv") for part in ["train", "test"])
accuracies = []
for seed in range(10):
    model = make_pipeline(StandardScaler(), MLPClassifier(max_iter=2000, random_state=seed))
    model.fit(train.drop(columns=target), train[target])
    accuracies.append(model.score(test.drop(columns=target), test[target]))
print(f"{np.mean(accuracies):.4f} on the average of ten seeds ({min(accuracies):.4f} to {max(accuracies):.4f}), {len(test)} rows")
