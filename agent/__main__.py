"""The command line. (Placeholder while the house is built.)"""


def main() -> int:
    """Run the command line."""
    return 0
