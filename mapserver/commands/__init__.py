"""One module, one sub-command of `citymap`. Commands read the settings, call the hands, and say what was done."""
