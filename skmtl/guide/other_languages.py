"""My service is written in JavaScript, C# or Java. How does it get predictions?

By an ONNX graph, a file that the runtime of any of these reads without Python. It needs
``pip install "skmtl[onnx]"`` here, and onnxruntime there. Text and missing numbers go in
as they are::

    >>> import numpy as np
    >>> import pandas as pd
    >>> from skmtl import MultiTaskRegressor
    >>> rng = np.random.default_rng(0)
    >>> size, kind = rng.normal(size=200), rng.choice(["a", "b"], 200)
    >>> X = pd.DataFrame({"size": size, "kind": kind})
    >>> X.loc[::9, "size"] = np.nan
    >>> y = pd.DataFrame({"time": X["size"].fillna(1), "cost": X["kind"].eq("a") * 2.0})
    >>> model = MultiTaskRegressor(epochs=20, random_state=0).fit(X, y)

    >>> import tempfile
    >>> from pathlib import Path
    >>> from skmtl.onnx import to_onnx
    >>> folder = tempfile.TemporaryDirectory()
    >>> file = Path(folder.name) / "model.onnx"
    >>> _ = file.write_bytes(to_onnx(model, X).SerializeToString())

Every column of a DataFrame is an input of the shape (n, 1). Of an array there is one input
``X`` (n, d). A regressor has one output (n, T), in the order of ``target_names_``; a
classifier has ``probabilities_<target>`` (n, C) for each target::

    >>> import onnxruntime
    >>> session = onnxruntime.InferenceSession(file)
    >>> [(i.name, i.type, i.shape) for i in session.get_inputs()]
    [('size', 'tensor(double)', [None, 1]), ('kind', 'tensor(string)', [None, 1])]
    >>> [(o.name, o.type, o.shape) for o in session.get_outputs()]
    [('variable', 'tensor(double)', [None, 2])]
    >>> model.target_names_.tolist()
    ['time', 'cost']

What it gives is what `predict` gives, up to single precision. The empty string is a missing
text, NaN a missing number::

    >>> table = {"size": [[0.5], [np.nan]], "kind": [["a"], [""]]}
    >>> (found,) = session.run(None, {name: np.array(table[name]) for name in table})
    >>> same = pd.DataFrame({"size": [0.5, np.nan], "kind": ["a", None]})
    >>> np.testing.assert_allclose(found, model.predict(same), rtol=1e-4, atol=1e-4)
    >>> folder.cleanup()

JavaScript, with the package onnxruntime-node (or onnxruntime-web in a browser)::

    const ort = require("onnxruntime-node");
    const session = await ort.InferenceSession.create("model.onnx");
    const { variable } = await session.run({
      size: new ort.Tensor("float64", [0.5, NaN], [2, 1]),
      kind: new ort.Tensor("string", ["a", ""], [2, 1]),
    });
    // variable.data: time and cost of the first row, then of the second

C#, with the package Microsoft.ML.OnnxRuntime::

    using var session = new InferenceSession("model.onnx");
    var inputs = new List<NamedOnnxValue> {
        NamedOnnxValue.CreateFromTensor("size",
            new DenseTensor<double>(new[] { 0.5, double.NaN }, new[] { 2, 1 })),
        NamedOnnxValue.CreateFromTensor("kind",
            new DenseTensor<string>(new[] { "a", "" }, new[] { 2, 1 })),
    };
    using var results = session.Run(inputs);
    var predicted = results.First().AsTensor<double>();  // predicted[row, target]

Java, with com.microsoft.onnxruntime::

    OrtEnvironment env = OrtEnvironment.getEnvironment();
    try (OrtSession session = env.createSession("model.onnx");
         OnnxTensor size = OnnxTensor.createTensor(env,
             new double[][] {{0.5}, {Double.NaN}});
         OnnxTensor kind = OnnxTensor.createTensor(env, new String[][] {{"a"}, {""}});
         OrtSession.Result result = session.run(Map.of("size", size, "kind", kind))) {
        double[][] predicted = (double[][]) result.get(0).getValue();
    }

Limits
------
- The graph checks nothing: a column that is missing is an error of the runtime's, a value
  of another unit is none.
- Several networks, experts and fitted Pipelines of scikit-learn's own steps are one graph;
  stacks with trees and conformal intervals are not.
- The code in other languages was not run by a test of this page.
"""
