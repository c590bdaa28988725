# SPDX-License-Identifier: MIT
"""What makes something of the project and is not installed with it."""
