import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { BASE_IMAGE } from "../support/clients/base-image.ts";
import { bytesHandler } from "../support/files.ts";
import { noise } from "../support/noise.ts";
import { test, type Workpiece } from "./container-workshop.ts";

interface Case {
  /** What stands below `FROM` an image that trusts the origin; `fetch` is a command that asks it for something by https. */
  readonly containerfile: (fetch: string, image: string) => string;
  readonly files?: Workpiece["files"];
  /** Of the engine; `SECRET` is a file. */
  readonly flags?: readonly string[];
  readonly engine?: "podman" | "buildah";
}

/** Whatever a Containerfile may say that changes how its containers are made, or what they find. */
const CASES: Readonly<Record<string, Case>> = {
  "several stages and one from scratch": {
    containerfile: (fetch, image) =>
      `RUN ${fetch} && echo a > /a\nFROM ${image} AS two\nCOPY --from=0 /a /b\nRUN ${fetch}\nFROM scratch\nCOPY --from=two /b /c\n`,
  },
  "ARG, ENV and --build-arg": {
    containerfile: (fetch) => `ARG V=1\nENV W=$V\nRUN ${fetch} && echo $V$W > /v\n`,
    flags: ["--build-arg", "V=7"],
  },
  "users of its own and of no name": {
    containerfile: (fetch) =>
      `RUN useradd -m joe -u 1234 && rm -rf /var/log/* /etc/*-\nUSER joe\nWORKDIR /home/joe\nRUN ${fetch} && id -u > who\nUSER 54321:54321\nRUN ${fetch}\n`,
  },
  "mounts of a RUN": {
    containerfile: (fetch) => `RUN --mount=type=cache,target=/var/cache/x ${fetch} && touch /var/cache/x/y
RUN --mount=type=bind,source=text,target=/mnt/text ${fetch} && cat /mnt/text > /text
RUN --mount=type=tmpfs,target=/scratch ${fetch} && touch /scratch/y
RUN --mount=type=secret,id=word ${fetch} && test "$(cat /run/secrets/word)" = secret
`,
    files: { text: "text\n" },
    flags: ["--secret=id=word,src=SECRET"],
  },
  "VOLUME, LABEL and what else a configuration holds": {
    containerfile: (fetch) =>
      `VOLUME /vol\nEXPOSE 80\nLABEL a=b\nENTRYPOINT ["/bin/sh"]\nCMD ["-c", "x"]\nRUN ${fetch} && touch /vol/x\nRUN ["curl", "--version"]\n`,
    flags: ["--label=q=1", "--annotation=z=1", "--env=FOO=bar"],
  },
  "--squash": { containerfile: (fetch) => `RUN ${fetch}\nRUN touch /z\n`, flags: ["--squash"] },
  "--squash-all": { containerfile: (fetch) => `RUN ${fetch}\nRUN touch /z\n`, flags: ["--squash-all"] },
  "--layers=false": { containerfile: (fetch) => `RUN ${fetch}\nRUN touch /z\n`, flags: ["--layers=false"] },
  "--cap-drop=all": { containerfile: (fetch) => `RUN ${fetch}\n`, flags: ["--cap-drop=all"] },
  "an upper-case proxy of the user's": {
    containerfile: (fetch) => `RUN ${fetch}\n`,
    flags: ["--build-arg=HTTP_PROXY=http://127.0.0.1:9"],
  },
  "a CA of its own that is removed again": {
    containerfile: (fetch) => `COPY origins.crt /usr/local/share/ca-certificates/own.crt
RUN update-ca-certificates && ${fetch}
RUN rm /usr/local/share/ca-certificates/own.crt && update-ca-certificates && ${fetch}
`,
  },
  "roots where Fedora has them": {
    containerfile: (fetch) => `RUN mkdir -p /etc/pki/ca-trust/extracted/pem /etc/pki/tls/certs \\
 && mv /etc/ssl/certs/ca-certificates.crt /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem \\
 && ln -s /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem /etc/pki/tls/certs/ca-bundle.crt \\
 && rm -rf /etc/ssl/certs && ln -s ../pki/tls/certs /etc/ssl/certs
RUN SSL_CERT_FILE=\${SSL_CERT_FILE:-/etc/pki/tls/certs/ca-bundle.crt} ${fetch}
`,
  },
  "roots where Alpine has them": {
    containerfile: (fetch) =>
      `RUN mv /etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem && ln -s ../cert.pem /etc/ssl/certs/ca-certificates.crt\nRUN ${fetch}\n`,
  },
  "no /etc/ssl": {
    containerfile: (fetch) =>
      `RUN mv /etc/ssl /ssl\nRUN SSL_CERT_FILE=\${SSL_CERT_FILE:-/ssl/certs/ca-certificates.crt} ${fetch}\nRUN test ! -e /etc/ssl\n`,
  },
  "an /etc that nobody may write to": {
    containerfile: (fetch) => `RUN chmod -R a-w /etc && ${fetch}\nUSER nobody\nRUN ${fetch}\n`,
  },
  "a dnf.conf that is rewritten in every way": {
    containerfile: (fetch) => `RUN printf 'keepcache=1\\n' >> /etc/dnf/dnf.conf && ${fetch}
RUN sed -i s/keepcache=1/keepcache=0/ /etc/dnf/dnf.conf && chmod 600 /etc/dnf/dnf.conf && touch /etc/dnf/vars/x
USER nobody
RUN ! cat /etc/dnf/dnf.conf
`,
  },
  buildah: {
    containerfile: (fetch) => `RUN ${fetch}\nRUN --mount=type=cache,target=/root/.cache ${fetch}\n`,
    engine: "buildah",
  },
};

const trustedImage = test.extend("image", ({ workshop }) => workshop.trusting(BASE_IMAGE));

describe("larder build makes the image that a plain build makes", { timeout: 900_000 }, () => {
  trustedImage.for(Object.entries(CASES))(
    "%s",
    async ([, one], { image, workshop, parent, secureOrigin, serving, folder }) => {
      secureOrigin.serve("/disk.iso", bytesHandler(noise("disk", 20_000), { "Cache-Control": "max-age=600" }));
      const fetch = `curl -fsS -o /tmp/x ${parent.publish("files", secureOrigin)}/disk.iso && rm /tmp/x`;
      const { containerfile, files = {}, engine = "podman", flags = [] } = one;
      const piece = { from: image, containerfile: containerfile(fetch, image), files };
      const secret = join(folder, "secret");
      await writeFile(secret, "secret");
      const engineFlags = flags.map((flag) => flag.replace("SECRET", secret));
      const built = await workshop.mustBuild("case", piece, { engine, engineFlags });
      expect(built).toEqual(await workshop.buildPlainly("plain", piece, { engine, flags: engineFlags }));
      expect(serving.logged("exchange").length).toBeGreaterThan(0);
    },
  );
});
