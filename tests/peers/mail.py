"""The outbox against an SMTP server that others wrote: aiosmtpd (postbox.py). Called by run.sh: mail.py <rowhouse> <project>.

Sixty people forget their passwords. The SMTP server and Rowhouse itself are killed (-9) while letters are under way, and
start again; in the end everybody has the letter that was put into the outbox. Delivery is at least once: what was stored
but not answered comes again, under the same Message-ID, so letters are counted by Message-ID, and copies have to be alike.
"""

import collections
import concurrent.futures
import email
import email.policy
import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

ROWHOUSE, PROJECT = sys.argv[1:]
HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(os.environ["PEERS_TMP"], "mail")
DATA, MAILDIR, NEW, COPY, LOG = (os.path.join(FOLDER, name) for name in ("data", "maildir", "maildir/new", "copy", "log"))
PEOPLE = [f"p{n}@example.org" for n in range(60)]
STARTED = time.monotonic()

base = root = None  # where Rowhouse listens now; the administrator's token
running = {}


def ask(path, body=None, token=None, again=10):
    headers = {"Content-Type": "application/json"} | ({"Authorization": "Bearer " + token} if token else {})
    request = urllib.request.Request(base + path, None if body is None else json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        if refusal.code == 503 and again:  # busy, and nothing was done
            time.sleep(2)
            return ask(path, body, token, again - 1)
        return refusal.code, refusal.read().decode()


def act(action, /, wanted=200, **inputs):
    status, answer = ask("/action/user_account/" + action, inputs)
    assert status == wanted, f"{action}: {status} {answer}"
    return answer


def at_once(work, people):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(work, people))


def sign_up(person):
    act("signup", name="P", email=person, password="correct horse", passwordConfirm="correct horse")


def forget(person):
    act("request_password_reset", email=person)


def outbox():
    """The letters' rows, by Message-ID, as an administrator sees them."""
    status, answer = ask("/api/mail?page[size]=100", token=root)
    assert status == 200, f"/api/mail: {status} {answer}"
    rows = [row["attributes"] for row in answer["data"]]
    return {row["message_id"]: row for row in rows}


def ask_for(letters):
    """Asks for letters, and waits until they wait in the outbox."""
    known = len(outbox())
    at_once(forget, letters)
    until("they are all in the outbox", lambda: len(outbox()) == known + len(letters))


def count(state):
    return sum(row["state"] == state for row in outbox().values())


def until(what, holds):
    for _ in range(2400):  # looks, not seconds: whoever stops this program for a while stops Rowhouse, too
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError(f"not after 2400 looks: {what}")


def start(name, arguments):
    with open(LOG, "a") as log:
        running[name] = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
    line = running[name].stdout.readline()
    assert line, f"{name} ended"
    return line.strip()


def start_box():
    start("box", [sys.executable, os.path.join(HERE, "postbox.py"), str(PORT), MAILDIR])


def start_rowhouse():
    global base
    base = start("rowhouse", [ROWHOUSE, "serve", "--project", PROJECT, "--data", DATA, "--listen", "127.0.0.1:0", *(
        word for setting in (
            f"mail.smtp=smtp://127.0.0.1:{PORT}", "outbox.poll=200ms", "mail.link_base=https://front.example",
            "mail.timeout=8s",  # a killed node's letters come back after twice that
            "limits.action_rate=false", "password.cost=10", "log=warn",
        ) for word in ("--set", setting))]).removeprefix("listening on ")


def kill(name):
    running[name].kill()
    running.pop(name).wait()


def let_through(most):
    """Says how many letters postbox.py answers; it keeps the others waiting."""
    with open(MAILDIR + ".new", "w") as file:
        file.write(str(most))
    os.replace(file.name, MAILDIR + ".answered")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def delivered(folder=NEW):
    """What lies in the maildir: the letters as email parses them."""
    paths = (os.path.join(folder, name) for name in sorted(os.listdir(folder)))
    return [email.message_from_bytes(read(path), policy=email.policy.default) for path in paths]


def copies():
    return collections.Counter(letter["Message-ID"] for letter in delivered())


def link(letter):
    found = re.findall(r"https://front\.example/reset_password\?token=([\w-]{43,})", letter.get_body(("plain",)).get_content())
    return found[0] if len(found) == 1 else None


def essence(letter):
    """What copies of a letter have in common; dates and boundaries are each attempt's own."""
    texts = [part.get_content() for part in letter.walk() if not part.is_multipart()]
    return (letter["Message-ID"], letter["Subject"], letter["From"], letter["To"], letter["X-RcptTo"], *texts)


def faults(rows, letters):
    """All that is wrong with what was delivered, beside what was put into the outbox."""
    said = []
    if collections.Counter(row["to"] for row in rows.values()) != collections.Counter(PEOPLE):
        said.append("the outbox hasn't one letter for each person")
    by_id = collections.defaultdict(list)
    for letter in letters:
        by_id[letter["Message-ID"]].append(letter)
    said += [f"lost: {row['to']}" for id, row in rows.items() if id not in by_id]
    said += [f"nobody sent {id}" for id in by_id if id not in rows]
    for id, row in rows.items():
        if row["state"] != "sent" or row["error"] or row["values"]["token"] != "***":
            said.append(f"not as a sent letter's row should be: {row}")
        alike = {essence(letter) for letter in by_id[id]}
        if len(alike) > 1:
            said.append(f"copies that differ: {alike}")
        for letter in by_id[id]:
            if not letter["To"] == letter["X-RcptTo"] == row["to"]:
                said.append(f"for {row['to']}, but it went to {letter['To']}, {letter['X-RcptTo']}")
            if not link(letter):
                said.append(f"no link for {row['to']}")
        if len(by_id[id]) > row["tries"]:
            said.append(f"{len(by_id[id])} copies for {row['to']} of {row['tries']} tries")
    links = {link(letter) for letter in letters}
    if len(links) != len(rows):
        said.append(f"{len(links)} links in {len(rows)} letters")
    return said


def controls(rows):
    """What is done to a copy of the maildir has to be found."""
    def tamper(what, finds, change, to=None):
        shutil.copytree(NEW, COPY)
        # A letter that came once; the others have copies.
        alone = next(l["Message-ID"] for l in delivered() if copies()[l["Message-ID"]] == 1).encode()
        name = next(name for name in os.listdir(COPY) if alone in read(os.path.join(COPY, name)))
        changed = change(read(os.path.join(COPY, name)))
        if to is None:
            os.remove(os.path.join(COPY, name))
        if changed:
            with open(os.path.join(COPY, to or name), "wb") as file:
                file.write(changed)
        said = faults(rows, delivered(COPY))
        assert any(finds in words for words in said), f"the control passed: {what}: {said}"
        shutil.rmtree(COPY)

    tamper("a letter is lost", "lost: ", lambda text: None)
    tamper("a letter from nowhere", "nobody sent <x", lambda text: text.replace(b"Message-ID: <", b"Message-ID: <x"), "more")
    tamper("a copy with another link", "copies that differ", lambda text: text.replace(b"assword?token", b"assword?broken"), "more")
    tamper("a letter at somebody else's", "but it went to", lambda text: text.replace(b"X-RcptTo: ", b"X-RcptTo: x"))


def free_port():
    """Below those that the kernel gives away, so that it's still free when the server comes back."""
    for port in itertools.starmap(random.randrange, itertools.repeat((20000, 32000))):
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def kill_midway(victim, some):
    """Asks for letters, holds answers back, and kills while several wait for theirs. Gives the ids of what was sent and
    of what was held, and the copies until then."""
    there = lambda: len(os.listdir(NEW))
    known = there()
    let_through(known)
    # The outbox is busy with one, and then takes as many as it can of the others.
    forget(some[0])
    until("a letter is under way", lambda: there() > known)
    ask_for(some[1:])
    before = copies()
    known = sum(before.values())
    let_through(known)
    until("several letters are under way", lambda: there() >= known + 5)
    sent = {id for id, row in outbox().items() if row["state"] == "sent"}
    kill(victim)
    now = copies()
    let_through(10000)
    return sent, set(now - before), now


def main():
    global root
    os.makedirs(FOLDER, exist_ok=True)
    let_through(10000)
    start_box()
    start_rowhouse()
    made = subprocess.run([ROWHOUSE, "admin", "create", "--email", "root@example.org", "--name", "Root", "--project", PROJECT, "--data", DATA],
                          input="administrators keep it\n", capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    said = act("signin", email="root@example.org", password="administrators keep it")
    root = next(d["Attributes"]["value"] for d in said if d["ResponseType"] == "client.store.set")
    at_once(sign_up, PEOPLE)

    ask_for(PEOPLE[:20])
    until("the first twenty are sent", lambda: count("sent") == 20)

    kills = [kill_midway("box", PEOPLE[20:35])]
    ask_for(PEOPLE[35:45])  # what is asked for meanwhile waits
    until("none of them can be sent", lambda: all(row["state"] == "sent" or row["error"] for row in outbox().values()))
    start_box()
    kills.append(kill_midway("rowhouse", PEOPLE[45:]))
    start_rowhouse()
    until("all are sent", lambda: count("sent") == 60)

    rows, letters, came = outbox(), delivered(), copies()
    said = faults(rows, letters)
    for sent, held, until_then in kills:
        said += [f"answered, and came again: {rows[id]}" for id in sent if came[id] != until_then[id]]
        said += [f"not answered, and came no more: {rows[id]}" for id in held if came[id] == until_then[id]]
        if not held or not 20 <= len(sent) < 60:
            said.append(f"killed too early or too late: {len(sent)} sent, {len(held)} held")
    assert not said, "\n".join(said)
    controls(rows)

    # One that came twice: its link is good, once.
    token = link(next(letter for letter in letters if came[letter["Message-ID"]] > 1))
    for wanted in (200, 422):
        act("reset_password", wanted, token=token, password="battery staple", passwordConfirm="battery staple")
    log = open(LOG).read()
    assert not re.search("panicked|ERROR", log), "its log"
    box, rowhouse = (f"{len(sent)} sent, {len(held)} unanswered" for sent, held, _ in kills)
    print(f"mail: 60 letters, all there and no others; aiosmtpd was killed ({box}), Rowhouse was killed ({rowhouse}); "
          f"{len(letters) - len(came)} copies, all alike; four controls are caught ({time.monotonic() - STARTED:.0f} s)")


try:
    PORT = free_port()
    main()
except Exception as error:
    if os.path.exists(LOG):
        print("".join(open(LOG).readlines()[-40:]))
    sys.exit(f"FAILED mail: {error!r}" if not isinstance(error, AssertionError) else f"FAILED mail: {error}")
finally:
    if "rowhouse" in running:
        running["rowhouse"].send_signal(signal.SIGTERM)
        running["rowhouse"].wait(60)
    elif os.path.exists(DATA):  # killed: somebody has to stop its cluster
        subprocess.run([ROWHOUSE, "plan", "--project", PROJECT, "--data", DATA], capture_output=True)
    if "box" in running:
        kill("box")
