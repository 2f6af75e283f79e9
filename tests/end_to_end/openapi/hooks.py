"""What schemathesis has to know of this API: values of the formats that no pattern can say, and bodies of bytes."""

import base64
import ipaddress
import json
import os

import schemathesis
from hypothesis import strategies as st

BASE32 = "0123456789abcdfghijklmnpqrsvwxyz"

hashes = st.text(BASE32, min_size=32, max_size=32)
names = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9+_?=-]{0,20}\Z")
base_names = st.builds("{}-{}".format, hashes, names)


def network(address, prefix):
    return str(ipaddress.ip_network((address, prefix), strict=False))


networks = st.one_of(
    st.builds(network, st.ip_addresses(v=4), st.integers(0, 32)),
    # Not those of IPv4 in the clothes of IPv6.
    st.builds(network, st.integers(1 << 120, (1 << 128) - 1).map(ipaddress.IPv6Address), st.integers(8, 128)),
)

# 32 bytes of Ed25519: of those that are no point of the curve the server takes none.
KEY = base64.b64encode(bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"))
keys = st.builds("{}:{}".format, names, st.just(KEY.decode()))

schemathesis.openapi.format("cidr", networks)
schemathesis.openapi.format("store-path", st.one_of(hashes, base_names, base_names.map("/nix/store/{}".format)))
schemathesis.openapi.format("store-path-name", st.one_of(base_names, base_names.map("/nix/store/{}".format)))
schemathesis.openapi.format("nix-public-key", keys)

for name in ("application/zstd", "application/vnd.fh.nar-batch"):
    schemathesis.openapi.media_type(name, st.binary(max_size=200))

TOKEN = os.environ.get("FH_TOKEN")

if TOKEN:
    PAYLOAD = TOKEN.removeprefix("fh1_").split(".")[1]
    OWN_ID = json.loads(base64.urlsafe_b64decode(PAYLOAD + "=" * (-len(PAYLOAD) % 4)))["jti"]

    @schemathesis.hook
    def filter_path_parameters(context, path_parameters):
        """Without its own token, which lists of tokens name, it could ask for nothing more."""
        return not path_parameters or str(path_parameters.get("id")).lower() != OWN_ID

    @schemathesis.auth()
    class Bearer:
        """The token of the test; whoever asks without it is a stranger."""

        def get(self, case, context):
            return TOKEN

        def set(self, case, data, context):
            case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}
