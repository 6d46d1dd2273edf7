"""What people file: notices of every kind, their documents and clocks, disputed flags, counter-notices; misuse."""
