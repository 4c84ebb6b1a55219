"""The roof: `gantry` and its commands, which may use every floor below and which nothing else imports."""
