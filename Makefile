# The only commands. Each sets up what it needs; all it asks of the machine is Python 3.11+ and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
UV_VERSION := 0.13.9
export UV_NO_PROGRESS := 1

.PHONY: help setup demo test lint types gen ci fuzz bench bench-fanout bench-rebuild bench-exchange bench-idle bench-controls bench-record record-campaign sim stream-campaign soak-slow-reader interop constraints clean bench-machine history-campaign reconcile-campaign
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

setup: $(READY) ## build .venv with dropcopy and dropcopyd in it

$(READY): pyproject.toml sdk/python/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Dropcopy needs Python 3.11 or newer; set PYTHON=")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e ./sdk/python -e . --group dev
	@touch $@

constraints: ## renew the pinned versions in constraints.txt
	@rm -rf $(VENV) && touch constraints.txt && : > constraints.txt && $(MAKE) --no-print-directory setup
	@$(BIN)/uv pip freeze --quiet --python $(BIN)/python --exclude-editable | grep -v '^uv==' > constraints.txt && touch $(READY)

test: setup ## run the tests
	@$(BIN)/python -m pytest $(ARGS)

lint: setup ## ruff, import-linter, buf
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/lint-imports --no-cache > $(VENV)/lint-imports.log 2>&1 || { cat $(VENV)/lint-imports.log; exit 1; }
	@$(BIN)/buf lint proto
	@$(BIN)/buf breaking proto --against proto/released.binpb
	@$(BIN)/python scripts/gen.py --check

demo: setup ## a gateway, a small bot and the live view; DEMO_SECONDS=20 ends by itself
	@$(BIN)/python scripts/demo.py

bench: setup ## latency and fan-out, beside grpcio, in one run
	@PYTHONPATH=. $(BIN)/python -m bench $(ARGS)

interop: setup ## clients in Python, Node, Go and Java against the real server; installs them (Debian, root)
	@scripts/interop-setup.sh
	@DROPCOPY_REQUIRE_INTEROP=1 $(BIN)/python -m pytest tests/interop $(ARGS)

bench-rebuild: setup ## kill -9 to trading again, with a million events in the journal
	@PYTHONPATH=. $(BIN)/python -m bench.rebuild $(ARGS)

bench-record: setup ## what the record takes to answer at 100,000 to 10,000,000 events; 12 GB of disk
	@PYTHONPATH=. $(BIN)/python -m bench.record $(ARGS)

record-campaign: setup ## lists walked under 1,000 writes a second, past states against folds; ARGS="--rounds 3 --points 1000"
	@PYTHONPATH=. $(BIN)/python -m tests.rest.walking $(ARGS)

bench-exchange: setup ## orders a second of the paper exchange, by the size of its book
	@PYTHONPATH=. $(BIN)/python -m bench.exchange $(ARGS)

N ?= 20000
SEED ?= 7
sim: setup ## N random orders over a month of bars under realistic and chaos, twice; needs DROPCOPY_SPEC
	@PYTHONPATH=. $(BIN)/python -m tests.sim $(N) $(SEED) $(MISHAPS)

bench-controls: setup ## orders under controls at 500/s with 100 streams; kill with 1,000 open orders
	@PYTHONPATH=. $(BIN)/python -m bench.controls $(ARGS)

bench-machine: setup ## what a decision about a fill costs, beside bare construction of its records
	@PYTHONPATH=. $(BIN)/python -m bench.machine $(ARGS)

history-campaign: setup ## a million random histories against models in fractions; ARGS="--histories N --seed S"
	@PYTHONPATH=. $(BIN)/python -m tests.histories $(ARGS)

bench-fanout: setup ## fan-out beside grpcio, grpclib and grpc-go (see docs/performance.md)
	@PYTHONPATH=. $(BIN)/python -m bench.fanout $(ARGS)

stream-campaign: setup ## random clients against one gateway, checked by a model; ARGS="--seconds 600 --seed 1"
	@PYTHONPATH=. $(BIN)/python -m tests.soak campaign $(ARGS)

reconcile-campaign: setup ## 1,000 reconciliations while 100 fills a second arrive: no false break
	@PYTHONPATH=. $(BIN)/python -m tests.soak reconcile $(ARGS)

soak-slow-reader: setup ## 200,000 events past a reader that does not read: memory, cut, resume
	@PYTHONPATH=. $(BIN)/python -m tests.soak slow-reader $(ARGS)

fuzz: setup ## schemathesis over our own OpenAPI with all checks; ARGS="--examples 500 --seed 2"
	@$(BIN)/python -m tests.rest.fuzzing $(ARGS)

bench-idle: setup ## 10,000 idle streams: memory, heartbeats, 1,000 clients that come back at once
	@PYTHONPATH=. $(BIN)/python -m tests.soak idle $(ARGS)

types: setup ## mypy --strict
	@$(BIN)/mypy --no-error-summary

gen: setup ## generate the message classes from proto/
	@$(BIN)/python scripts/gen.py

ci: lint types test ## what a change must pass

clean: ## remove what the targets made
	@rm -rf $(VENV) data
