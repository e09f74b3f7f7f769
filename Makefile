# Two commands matter: `make demo` and `make test`. Each sets up all it needs in .venv.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
OUT    ?= out/demo
READY  := $(VENV)/.ready

.PHONY: demo test test-all test-extras lint types wheel check docs site oracles clean

demo: $(READY)  ## cut the objects out of the bundled clip, score the result, say where it is
	$(BIN)/vos demo -o $(OUT) --overwrite

# One thread per worker: two workers that both want both cores are slower than two that share.
test: $(READY)  ## the whole suite, without the slow tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

test-all: $(READY)  ## the slow tests as well
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m ""

test-extras: $(READY)  ## the tests of Ray, of an object store (a stand-in on loopback) and of webdataset shards
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'ray>=2.40' 's3fs>=2025.2' 'moto[server]>=5' webdataset
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "" -rs $(addprefix tests/runs/batch/test_batch_,ray.py store.py pack.py)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

# Their requirements contradict each other's and ours, so some are installed without them.
oracles: $(READY)  ## let other people's programs read our annotation files, in .venv-oracles
	$(PYTHON) -m venv .venv-oracles
	.venv-oracles/bin/python -m pip install --quiet pycocotools trackeval datumaro supervision webdataset
	.venv-oracles/bin/python -m pip install --quiet --no-deps cvat-sdk label-studio-sdk darwin-py labelme \
	  loguru tifffile imgviz cmap upolygon humanize deprecation argcomplete tenacity
	.venv-oracles/bin/python -m pip install --quiet lxml pandas pydantic httpx jsonschema appdirs ijson nltk \
	  ujson xmljson pyjwt requests requests-mock jsf typer json-stream orjson mpire natsort toml platformdirs \
	  scikit-image
	VOS_ORACLES=.venv-oracles/bin/python $(BIN)/python -m pytest -m slow tests/formats/test_independent_readers.py

wheel: $(READY)  ## build the wheel, install it into a clean environment, run the main job from it
	sh tests/wheel_smoke.sh $(BIN)/python

check: lint types test wheel  ## all that has to pass before a change lands

docs: $(READY)  ## regenerate the command reference
	$(BIN)/python docs/generate_cli.py

site: $(READY)  ## build the documentation site into site/; a broken link or an unlisted page is an error
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	$(BIN)/mkdocs build --strict

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) .venv-oracles build dist out site *.egg-info
