#!/usr/bin/env bash
# Installs what the interop tests need: `scripts/interop-setup.sh`, then DROPCOPY_REQUIRE_INTEROP=1 pytest -m interop.
# For Debian, as root; run again it does only what is missing. The npm packages go below the virtual environment.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
  protobuf-compiler
  golang-go golang-google-grpc-dev golang-github-golang-protobuf-1-5-dev protoc-gen-go protoc-gen-go-grpc
  libgrpc-java libprotobuf-java libnetty-java libnetty-tcnative-java libnetty-tcnative-jni libperfmark-java
  libgoogle-gson-java libguava-java libgeronimo-annotation-1.3-spec-java protobuf-compiler-grpc-java-plugin
  chromium
)
for tool in javac:default-jdk-headless node:nodejs npm:npm; do
  command -v "${tool%%:*}" > /dev/null || packages+=("${tool##*:}")
done

npm_folder=.venv/interop/npm
install_npm_packages() {
  cmp -s tests/interop/package-lock.json "$npm_folder/installed.json" && return
  mkdir -p "$npm_folder"
  cp tests/interop/package.json tests/interop/package-lock.json "$npm_folder/"
  npm ci --prefix "$npm_folder" --ignore-scripts --no-audit --no-fund --loglevel=error
  cp tests/interop/package-lock.json "$npm_folder/installed.json"
}
beside=
if command -v npm > /dev/null; then # beside apt-get: both mostly wait for the network
  install_npm_packages &
  beside=$!
fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null | grep -qx installed || missing+=("$package")
done
if ((${#missing[@]})); then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120 "${missing[@]}" > /dev/null
fi

if [ -n "$beside" ]; then wait "$beside"; else install_npm_packages; fi
