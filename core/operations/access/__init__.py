"""Who may do what: passwords, sessions, sign-in, audit."""
