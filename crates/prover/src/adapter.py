"""SMT-LIB on standard input, answers on standard output: cvc5 as it comes as a Python package, in place of its program.

With `--about` it says its version and a digest of what it is made of. Else its one argument is how long it may think about
one question, in milliseconds; then it answers `unknown`.
"""

import hashlib
import pathlib
import sys

import cvc5

# What begins something in which brackets do not count, and what ends it.
QUOTES = {'"': '"', "|": "|", ";": "\n"}


def about():
    package = pathlib.Path(cvc5.__file__).parent
    libraries = package.with_name("cvc5.libs")
    digest = hashlib.sha256()
    for file in sorted([*package.glob("*.so"), *libraries.glob("*.so*")]):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return f"{cvc5.__version__} {digest.hexdigest()}"


def commands(lines):
    """Whole commands, each as soon as its last bracket has come."""
    read, depth, until = [], 0, None
    for line in lines:
        for letter in line:
            if until:
                if letter == until:
                    until = None
            elif letter in QUOTES:
                until = QUOTES[letter]
            elif letter == "(":
                depth += 1
            elif letter == ")":
                depth -= 1
        read.append(line)
        if depth == 0 and until is None:
            text = "".join(read).strip()
            read = []
            if text:
                yield text


class Session:
    """A solver that has heard nothing yet."""

    def __init__(self, milliseconds):
        terms = cvc5.TermManager()
        self.solver = cvc5.Solver(terms)
        self.solver.setOption("tlimit-per", milliseconds)
        self.symbols = cvc5.SymbolManager(terms)
        self.parser = cvc5.InputParser(self.solver, self.symbols)

    def answer(self, text):
        self.parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "asked")
        answers = []
        while not (command := self.parser.nextCommand()).isNull():
            answers.append(command.invoke(self.solver, self.symbols))
        return "".join(answers)


def main():
    if sys.argv[1] == "--about":
        print(about())
        return
    session = Session(sys.argv[1])
    for text in commands(sys.stdin):
        if text == "(reset)":
            session = Session(sys.argv[1])
            continue
        if text == "(exit)":
            return
        try:
            answer = session.answer(text)
        except RuntimeError as error:
            words = " ".join(str(error).replace('"', "'").split())
            answer = f'(error "{words}")\n'
        sys.stdout.write(answer)
        sys.stdout.flush()


main()
