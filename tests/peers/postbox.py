"""The post office for mail.py: aiosmtpd's server, which keeps letters in a maildir. postbox.py <port> <maildir>.

<maildir>.answered says how many letters are answered: the next is stored, and its sender hears nothing. Who is killed then
is killed where it hurts: the letter is there, and nobody has said so.
"""

import asyncio
import os
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox


maildir = sys.argv[2]


class Holds(Mailbox):
    async def handle_DATA(self, server, session, envelope):
        answer = await super().handle_DATA(server, session, envelope)
        mine = len(os.listdir(os.path.join(maildir, "new")))
        while mine > int(open(maildir + ".answered").read()):
            await asyncio.sleep(0.02)
        return answer


# With a name of its own: else it asks the DNS for one, at each connection.
box = Controller(Holds(maildir), hostname="127.0.0.1", port=int(sys.argv[1]), server_hostname="post.example", ready_timeout=60)
box.start()
print("ready", flush=True)
sys.stdin.read()  # until whoever started it is gone
