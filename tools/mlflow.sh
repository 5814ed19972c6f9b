#!/bin/sh
# Make .venv-mlflow: an MLflow tracking server for the tests of mirroring, in an environment of its own, because the server
# asks for older versions of much that we use. The client in .venv is the slim one, which goes with everything.
set -eu

version=3.17.2
cd "$(dirname "$0")/.."
venv=.venv-mlflow

[ -x "$venv/bin/mlflow" ] && [ "$("$venv/bin/python" -c 'import importlib.metadata as m; print(m.version("mlflow"))')" = "$version" ] && exit 0
echo "adjudge: making $venv: pip downloads mlflow $version and what it needs from your package index"
"${PYTHON:-python3}" -m venv --clear "$venv"
"$venv/bin/python" -m pip install --no-input --disable-pip-version-check --quiet "mlflow==$version" || {
    echo "adjudge: pip could not complete $venv; its own words are above" >&2
    exit 1
}
