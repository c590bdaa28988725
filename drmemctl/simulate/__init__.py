# SPDX-License-Identifier: MIT
"""The step language, and the runner that carries steps out on a simulated kernel and hypervisor."""
