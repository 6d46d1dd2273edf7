"""What the office tells the public: figures, reports, the register of notices, proposals for the rules."""
