#!/bin/sh
# Somebody makes an account that nobody declared.
set -eu
useradd --create-home --shell /bin/bash mallory
