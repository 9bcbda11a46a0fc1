/** ICE texts of connection requests and candidate lines of calls, as real daemons made them. */

/** Connection §2.1: pjnath 2023 with IPv4, IPv6, a published address and a relay. */
export const sample = `281d478c
5807e7e80774c59a5d9acb4e
Ha4d0001 1 TCP 2130706431 10.77.0.1 34873 typ host tcptype passive
Ha4d0001 1 TCP 2130706175 10.77.0.1 9 typ host tcptype active
Hf6ba7415 1 TCP 2130706431 fd77::1 49883 typ host tcptype passive
Hf6ba7415 1 TCP 2130706175 fd77::1 9 typ host tcptype active
Sa4d0001 1 TCP 1694498303 203.0.113.7 9 typ srflx tcptype active
Ra4d0003 1 TCP 16777215 10.77.0.3 56551 typ relay tcptype passive
`;

export const requests = [
  {
    origin: "an answer of a daemon of 2023",
    text: `580e46f8
0456545c166b33a052103bda
Ha4d000b 1 TCP 2130706431 10.77.0.11 35877 typ host tcptype passive
Ha4d000b 1 TCP 2130706175 10.77.0.11 9 typ host tcptype active
Sa4d000b 1 TCP 1694498303 10.77.0.11 9 typ srflx tcptype active
`,
  },
  {
    origin: "a request of a daemon of 2026",
    text: `327b22cb
48a860ab15db810d2cef3966
Ha4d000c 1 TCP 2130706431 10.77.0.12 41987 typ host tcptype passive
Ha4d000c 1 TCP 2130706175 10.77.0.12 9 typ host tcptype active
Sa4d000c 1 TCP 1694498303 10.77.0.12 9 typ srflx tcptype active
`,
  },
] as const;

/** From the log of a video call of 2023: component numbers go over all streams. */
export const mediaLines = [
  "Ha4d000b 1 UDP 2130706431 10.77.0.11 42211 typ host",
  "Sa4d000b 1 UDP 1694498303 10.77.0.11 23551 typ srflx",
  "Ha4d000b 2 UDP 2130706430 10.77.0.11 37574 typ host",
  "Ha4d000b 3 UDP 2130706429 10.77.0.11 40682 typ host",
  "Sa4d000b 4 UDP 1694498300 10.77.0.11 20741 typ srflx",
] as const;
