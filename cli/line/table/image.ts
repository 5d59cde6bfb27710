import { CA_KEYS, type CommandSpec, JSON_OPTION } from "../command-spec.ts";

/** What builds left in their images. */
export const IMAGE_COMMANDS: readonly CommandSpec[] = [
  {
    usage: "image",
    summary: "look into container images",
    commands: [
      {
        usage: "lint <image>",
        summary: "prove that nothing of larder is in an image",
        description:
          "Looks into the configuration, the history and every layer of an image for variables, the CA's bytes and the\n" +
          "placeholders of mounts. The image is a name that podman or buildah knows, or oci:DIR. Exit 1 when there is a trace.",
        settings: CA_KEYS,
        options: [
          ["--against <image>", "the same build without larder: diffIDs and configuration must be equal"],
          JSON_OPTION,
        ],
        examples: [
          ["larder image lint localhost/app", "exit 0 when nothing is found"],
          ["larder image lint oci:./layout --against localhost/plain", "the same image, byte for byte"],
        ],
        load: async () => (await import("../../commands/image.ts")).lintImage,
      },
    ],
  },
];
