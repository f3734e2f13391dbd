"""Where Azure Functions looks for the functions; the package is beside it in `.python_packages`."""

from skylift_functions.azure.function_app import app

__all__ = ["app"]
