#!/usr/bin/python3
"""nginx's server of the group http: one worker process, no log. Command line: bench/peers/README.md."""
import os
import pathlib
import socket
import subprocess
import sys

NGINX = "/usr/sbin/nginx"
FILES = pathlib.Path(__file__).resolve().with_name("nginx.files")
CONFIGURATION = """
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr error;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;  # its default ends a connection after a thousand
  default_type text/plain;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {
    listen 127.0.0.1:%d backlog=4096;
    location = / { return 200 "Hello, World!"; }
  }
}
"""


def serve():
    """Becomes nginx, on a port that is free now: it can not choose one and say which."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    FILES.mkdir(exist_ok=True)
    (FILES / "nginx.conf").write_text(CONFIGURATION % port)
    print("PORT", port, flush=True)
    os.execv(NGINX, [NGINX, "-p", str(FILES), "-c", "nginx.conf", "-e", "stderr"])


def main(arguments):
    if arguments == ["--version"]:
        said = subprocess.run([NGINX, "-v"], capture_output=True, text=True, check=True).stderr
        print(said.removeprefix("nginx version: ").strip())
    elif arguments == ["--list"]:
        print("http_64", "http_1000", sep="\n")
    elif arguments == ["--serve-http"]:
        serve()
    else:
        print("usage: nginx --version | --list | --serve-http", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main(sys.argv[1:])
