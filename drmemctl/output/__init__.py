# SPDX-License-Identifier: MIT
"""What a user sees: text, tables, pictures, JSON and files. Knows no rule and no algorithm."""
